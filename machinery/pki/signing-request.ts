/**
 * Signing requests: what a PEM certificate request (PKCS #10) asks for, and whether who sent it has the key.
 *
 * Only what the API checks is read; the library that makes and signs certificates is not needed for it.
 */
import { createHash, createPublicKey, verify } from "node:crypto";

export interface SigningRequest {
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** Other names that the certificate should have: subjectAltName. */
  readonly dnsNames: readonly string[];
  readonly emails: readonly string[];
  /** In hex. */
  readonly addresses: readonly string[];
  readonly uris: readonly string[];
  /** SHA-256 of the public key (SPKI), in hex. */
  readonly keyHash: string;
}

/** A value in DER: its tag, what is in it, and itself. */
interface Value {
  readonly tag: number;
  readonly content: Buffer;
  readonly whole: Buffer;
}

const ORGANIZATION = "55040a";
const COMMON_NAME = "550403";
const EXTENSION_REQUEST = "2a864886f70d01090e";
const ALTERNATIVE_NAME = "551d11";

/** Context tags of a GeneralName. */
const EMAIL = 0x81;
const DNS_NAME = 0x82;
const URI = 0x86;
const ADDRESS = 0x87;

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
  const [, subject, publicKey, attributes] = valuesOf(info?.content);
  if (!info || !algorithm || !signature || !subject || !publicKey) throw new Error("malformed certificate request");
  checkSignature(info, algorithm, signature, publicKey);
  const named = attributesOf(subject);
  const others = alternativeNames(attributes);
  const ofTag = (tag: number, encoding: "latin1" | "hex") =>
    others.filter((name) => name.tag === tag).map(({ content }) => content.toString(encoding));
  return {
    commonName: named.filter(({ type }) => type === COMMON_NAME).at(-1)?.text ?? "",
    organizations: named.filter(({ type }) => type === ORGANIZATION).map(({ text: value }) => value),
    dnsNames: ofTag(DNS_NAME, "latin1"),
    emails: ofTag(EMAIL, "latin1"),
    addresses: ofTag(ADDRESS, "hex"),
    uris: ofTag(URI, "latin1"),
    keyHash: createHash("sha256").update(publicKey.whole).digest("hex"),
  };
}

/** What the requested extensions name beside the subject. */
function alternativeNames(attributes: Value | undefined): Value[] {
  return valuesOf(attributes?.content).flatMap((attribute) => {
    const [type, values] = valuesOf(attribute.content);
    if (type?.content.toString("hex") !== EXTENSION_REQUEST) return [];
    return valuesOf(valuesOf(values?.content)[0]?.content).flatMap((extension) => {
      const parts = valuesOf(extension.content);
      if (parts[0]?.content.toString("hex") !== ALTERNATIVE_NAME) return [];
      return valuesOf(valuesOf(parts.at(-1)?.content)[0]?.content);
    });
  });
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
