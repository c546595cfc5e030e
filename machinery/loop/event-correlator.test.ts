/** Event correlation: repeats, floods of similar texts, and objects that talk too much. */
import { expect, it } from "vitest";
import { createCorrelator } from "./event-correlator.ts";
import type { Occurrence } from "./events-recorder.ts";

const occurrence = (message: string, name = "a", reason = "Failed"): Occurrence => ({
  about: {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", uid: name, resourceVersion: "1", creationTimestamp: "" },
  },
  type: "Warning",
  reason,
  message,
  component: "kubelet",
  fieldPath: undefined,
  at: 0,
  cause: undefined,
});

it("the same text counts up on the Event that was written", () => {
  const correlate = createCorrelator();
  const first = correlate(occurrence("x"), 0);
  expect(first).toMatchObject({ known: undefined, count: 1, message: "x" });
  first?.written({ namespace: "default", name: "e" });
  expect(correlate(occurrence("x"), 0)).toMatchObject({ known: { name: "e" }, count: 2 });
  expect(correlate(occurrence("x", "b"), 0)).toMatchObject({ known: undefined, count: 1 });
});

it("an Event that expired on the server starts over", () => {
  const correlate = createCorrelator();
  correlate(occurrence("x"), 0)?.written({ name: "e" });
  const again = correlate(occurrence("x"), 0);
  again?.expired();
  expect(again).toMatchObject({ known: undefined, count: 1 });
});

it("more than ten different texts about one thing become one Event", () => {
  const correlate = createCorrelator();
  for (let i = 0; i < 10; i++) expect(correlate(occurrence(`x${i}`), 0)?.message).toBe(`x${i}`);
  const combined = correlate(occurrence("x10"), 0);
  expect(combined?.message).toBe("(combined from similar events): x10");
  combined?.written({ name: "e" });
  expect(correlate(occurrence("x11"), 0)).toMatchObject({ known: { name: "e" }, count: 2 });
  expect(correlate(occurrence("x12"), 601_000)?.message).toBe("x12");
});

it("one object gets a burst of 25, then one each five minutes", () => {
  const correlate = createCorrelator();
  for (let i = 0; i < 25; i++) expect(correlate(occurrence("x"), 0)).toBeDefined();
  expect(correlate(occurrence("x"), 0)).toBeUndefined();
  expect(correlate(occurrence("x", "b"), 0)).toBeDefined();
  expect(correlate(occurrence("x"), 300_000)).toBeDefined();
  expect(correlate(occurrence("x"), 300_000)).toBeUndefined();
});
