/**
 * Certificate cleaning: removes requests for certificates that nobody looks at any more.
 *
 * Nothing that still waits for its approval or its certificate goes within a day, nothing that was answered within an
 * hour; a certificate lives on without the request that brought it.
 */
import { X509Certificate } from "node:crypto";
import { again, defineController, done, enqueueSelf, type Outcome } from "../machinery/loop/controller.ts";
import type { CertificateSigningRequest } from "../machinery/objects/kinds.ts";
import { isNotFound } from "../machinery/objects/status.ts";

const HOUR_MS = 3_600_000;
const ANSWERED_MS = HOUR_MS;
const PENDING_MS = 24 * HOUR_MS;

export const certificateCleaningController = defineController({
  name: "certificate-cleaner",
  watches: { certificatesigningrequests: enqueueSelf },

  async reconcile(name, { certificatesigningrequests, client, clock }): Promise<Outcome> {
    const request = certificatesigningrequests.get(name);
    if (!request) return done;
    const due = goesAt(request);
    if (due === undefined) return done;
    if (due > clock.now()) return again(due - clock.now());

    const { uid, resourceVersion } = request.metadata;
    try {
      await client.delete("certificatesigningrequests", { name }, { preconditions: { uid, resourceVersion } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return done;
  },
});

/** When the request is to be removed; undefined: not on its own. */
export function goesAt({ metadata, status }: CertificateSigningRequest): number | undefined {
  const { conditions = [], certificate } = status ?? {};
  if (conditions.length === 0) return Date.parse(metadata.creationTimestamp) + PENDING_MS;
  const ends = conditions.flatMap(({ type, lastUpdateTime }) => {
    const answered = type === "Denied" || type === "Failed" || (type === "Approved" && certificate);
    const since = Date.parse(lastUpdateTime ?? "");
    return answered && !Number.isNaN(since) ? [since + ANSWERED_MS] : [];
  });
  const expired = certificate && endOf(certificate);
  if (expired && conditions.some(({ type }) => type === "Approved")) ends.push(expired);
  return ends.length > 0 ? Math.min(...ends) : undefined;
}

/** When the certificate expires; undefined for what is none. */
function endOf(certificate: string): number | undefined {
  try {
    return new X509Certificate(Buffer.from(certificate, "base64")).validToDate.getTime();
  } catch {
    return undefined;
  }
}
