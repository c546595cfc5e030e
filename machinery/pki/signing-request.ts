/**
 * Signing requests: what a PEM certificate request (PKCS #10) asks for, and whether who sent it has the key.
 *
 * Only what the API checks is read; the library that makes and signs certificates is not needed for it.
 */
import { createPublicKey, verify } from "node:crypto";

export interface SigningRequest {
  readonly commonName: string;
  readonly organizations: readonly string[];
}

/** A value in DER: its tag, what is in it, and itself. */
interface Value {
  readonly tag: number;
  readonly content: Buffer;
  readonly whole: Buffer;
}

const ORGANIZATION = "55040a";
const COMMON_NAME = "550403";

/** Object identifiers of signature algorithms, in hex ► hash; null where the algorithm brings its own. */
const HASHES: Readonly<Record<string, string | null>> = {
  "2a864886f70d01010b": "sha256",
  "2a864886f70d01010c": "sha384",
  "2a864886f70d01010d": "sha512",
  "2a8648ce3d040302": "sha256",
  "2a8648ce3d040303": "sha384",
  "2a8648ce3d040304": "sha512",
  "2b6570": null,
};

/** Throws an Error that says what is wrong with it. */
export function readSigningRequest(pem: string): SigningRequest {
  const text = /-----BEGIN CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE REQUEST-----/.exec(pem)?.[1];
  if (text === undefined) throw new Error("PEM block type must be CERTIFICATE REQUEST");
  const [request] = valuesOf(Buffer.from(text, "base64"));
  const [info, algorithm, signature] = valuesOf(request?.content);
  const [, subject, publicKey] = valuesOf(info?.content);
  if (!info || !algorithm || !signature || !subject || !publicKey) throw new Error("malformed certificate request");
  checkSignature(info, algorithm, signature, publicKey);
  const named = attributesOf(subject);
  return {
    commonName: named.filter(({ type }) => type === COMMON_NAME).at(-1)?.text ?? "",
    organizations: named.filter(({ type }) => type === ORGANIZATION).map(({ text: value }) => value),
  };
}

function checkSignature(info: Value, algorithm: Value, signature: Value, publicKey: Value): void {
  const hash = HASHES[valuesOf(algorithm.content)[0]?.content.toString("hex") ?? ""];
  if (hash === undefined) throw new Error("cannot verify signature: algorithm unimplemented");
  const key = createPublicKey({ key: publicKey.whole, format: "der", type: "spki" });
  // a bit string begins with the number of bits that are unused
  if (!verify(hash, info.whole, key, signature.content.subarray(1))) throw new Error("verification failure");
}

/** A Name is a sequence of sets of pairs: object identifier and text. */
function attributesOf(name: Value): { type: string; text: string }[] {
  return valuesOf(name.content).flatMap((set) =>
    valuesOf(set.content).map((pair) => {
      const [type, text] = valuesOf(pair.content);
      return { type: type?.content.toString("hex") ?? "", text: text?.content.toString("utf8") ?? "" };
    }),
  );
}

function valuesOf(bytes: Buffer | undefined): Value[] {
  const values: Value[] = [];
  for (let at = 0; bytes && at < bytes.length; ) {
    const value = valueAt(bytes, at);
    values.push(value);
    at += value.whole.length;
  }
  return values;
}

function valueAt(bytes: Buffer, at: number): Value {
  const tag = bytes[at] ?? 0;
  const first = bytes[at + 1] ?? 0;
  const long = first > 0x80 ? first - 0x80 : 0;
  if (first === 0x80 || long > 4 || at + 2 + long > bytes.length) throw new Error("malformed certificate request");
  const length = long > 0 ? bytes.readUIntBE(at + 2, long) : first;
  const start = at + 2 + long;
  if (start + length > bytes.length) throw new Error("malformed certificate request");
  return { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) };
}
