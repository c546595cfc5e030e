/**
 * Slow start: many calls of one kind in growing batches, so that what fails for one fails for few.
 */

/** Batches of 1, 2, 4 …; after a batch with a failure no more are sent. Returns how many succeeded and the first failure. */
export async function inGrowingBatches(
  count: number,
  call: (index: number) => Promise<void>,
): Promise<{ readonly succeeded: number; readonly attempted: number; readonly error?: unknown }> {
  let succeeded = 0;
  let attempted = 0;
  for (let size = 1; attempted < count; size *= 2) {
    const batch = Array.from({ length: Math.min(size, count - attempted) }, (_, i) => attempted + i);
    attempted += batch.length;
    const results = await Promise.allSettled(batch.map(call));
    succeeded += results.filter(({ status }) => status === "fulfilled").length;
    const failed = results.find((result) => result.status === "rejected");
    if (failed) return { succeeded, attempted, error: failed.reason };
  }
  return { succeeded, attempted };
}
