/** Envelopes: what goes in comes out, and nothing unknown is guessed at. */
import { expect, test } from "vitest";
import { decodeEnvelope, encodeObject, encodeTombstone } from "./envelope.ts";

const cause = {
  user: "system:admin ✓",
  verb: "patch",
  time: 1_767_225_600_123,
  causeRevision: "42",
  controller: "deployment",
};

test("envelope of an object brings its JSON bytes, cause and key id back", () => {
  const json = '{"kind":"Pod","note":"ünïcödé"}';
  const envelope = decodeEnvelope(encodeObject(json, 14, cause, "key-1"));
  expect(envelope).toMatchObject({ content: "object", keyId: "key-1", versionAt: 14, cause });
  expect(Buffer.from(envelope.json).toString()).toBe(json);
});

test("envelope of a deletion has its cause and no object", () => {
  const plain = { user: "bob", verb: "delete", time: 1 };
  const envelope = decodeEnvelope(encodeTombstone(plain));
  expect(envelope.content).toBe("tombstone");
  expect(envelope.json).toHaveLength(0);
  expect(envelope.cause).toEqual(plain);
});

test("envelope of another format is refused", () => {
  const bytes = encodeObject("{}", 1, cause);
  bytes[0] = 9;
  expect(() => decodeEnvelope(bytes)).toThrow("unknown envelope: format 9");
  expect(() => decodeEnvelope(new Uint8Array(3))).toThrow("unknown envelope");
});
