/**
 * Certificates: a certificate authority and what it issues (ECDSA P-256, PEM).
 *
 * The library that encodes them is large, so it is loaded only when one must be made; looking at
 * existing ones needs Node alone. Where they lie on disk: pki.ts.
 */
import { createHash, createPublicKey, type webcrypto, X509Certificate } from "node:crypto";
import type { Clock } from "../process/clock.ts";

/** A certificate and its private key, both PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

export interface Subject {
  readonly commonName: string;
  /** Become the user's groups. */
  readonly organizations?: readonly string[];
}

export interface CertificateRequest extends Subject {
  readonly use: "client" | "server";
  readonly dnsNames?: readonly string[];
  readonly addresses?: readonly string[];
  /** How long it is to be good; default: a year. Never longer than the authority. */
  readonly seconds?: number | undefined;
}

/** From when until when a certificate is good, in ms. */
export interface Lifetime {
  readonly from: number;
  readonly until: number;
}

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3650;
const LEAF_DAYS = 365;
/** A leaf with less than this share of its life left is made anew: of a year, two months. */
const RENEW_SHARE = 60 / 365;
/** Clocks of other machines may be a little behind. */
export const BACKDATE_MS = 5 * 60_000;
/** Certificates that live no longer than this are not dated back. */
export const SHORT_SECONDS = 8 * 3600;

export const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** `key`: PEM of the private key of one that is renewed: what it has signed, and who trusts it, stays. */
export async function createAuthority(clock: Clock, commonName: string, key?: string): Promise<KeyPair> {
  const x509 = await library();
  const keys = key === undefined ? await newKeys() : await pairOf(key);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(clock),
    name: name({ commonName }),
    ...validity(clock, AUTHORITY_DAYS * DAY_MS),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: pem(certificate.toString("pem")), key: await exportKey(keys.privateKey) };
}

/** Whether `createAuthority` made it under this name: another one's, brought from elsewhere, cannot be renewed here. */
export function isOwnAuthority(certificate: string, commonName: string): boolean {
  const { subject, issuer } = parsed(certificate) ?? {};
  return subject === `CN=${commonName}` && issuer === subject;
}

/** `key`: PEM of a private key that goes on being used, where there is one. */
export async function issue(
  clock: Clock,
  authority: KeyPair,
  request: CertificateRequest,
  key?: string,
): Promise<KeyPair> {
  const x509 = await library();
  const keys = key === undefined ? await newKeys() : await pairOf(key);
  const issuer = new x509.X509Certificate(authority.certificate);
  const lifeMs = request.seconds === undefined ? LEAF_DAYS * DAY_MS : request.seconds * 1000;
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  const alternatives = [
    ...(request.dnsNames ?? []).map((value) => ({ type: "dns" as const, value })),
    ...(request.addresses ?? []).map((value) => ({ type: "ip" as const, value })),
  ];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(clock),
    subject: name(request),
    issuer: issuer.subjectName,
    ...validity(clock, lifeMs, issuer.notAfter.getTime()),
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([request.use === "server" ? serverAuth : clientAuth]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      ...(alternatives.length > 0 ? [new x509.SubjectAlternativeNameExtension(alternatives)] : []),
    ],
  });
  return { certificate: pem(certificate.toString("pem")), key: await exportKey(keys.privateKey) };
}

/** An EC P-256 private key alone (PKCS#8 PEM), for signing tokens. */
export async function createSigningKey(): Promise<string> {
  return exportKey((await newKeys()).privateKey);
}

/** Whether an issued certificate still serves the request: same authority, subject and names, long enough to live. */
export function stillGood(clock: Clock, authority: KeyPair, pair: KeyPair, request: CertificateRequest): boolean {
  const certificate = parsed(pair.certificate);
  if (!certificate) return false;
  if (endsSoon(clock, pair.certificate) || certificate.validFromDate.getTime() > clock.now()) return false;
  if (!certificate.verify(new X509Certificate(authority.certificate).publicKey)) return false;
  const { user, groups } = subjectOf(certificate);
  if (user !== request.commonName || groups.join("\n") !== (request.organizations ?? []).join("\n")) return false;
  const { dnsNames = [], addresses = [] } = request;
  return (
    dnsNames.every((one) => certificate.checkHost(one) !== undefined) &&
    addresses.every((one) => certificate.checkIP(one) !== undefined)
  );
}

/** Whether little of its life is left, so that another one should be made. */
export function endsSoon(clock: Clock, certificate: string): boolean {
  const life = lifetimeOf(certificate);
  return !life || life.until - clock.now() < (life.until - life.from) * RENEW_SHARE;
}

/** Undefined for what is no certificate. */
export function lifetimeOf(certificate: string): Lifetime | undefined {
  const { validFromDate, validToDate } = parsed(certificate) ?? {};
  return validFromDate && validToDate && { from: validFromDate.getTime(), until: validToDate.getTime() };
}

/** Undefined for a damaged file: a leaf can always be made anew. */
function parsed(certificate: string): X509Certificate | undefined {
  try {
    return new X509Certificate(certificate);
  } catch {
    return undefined;
  }
}

/** User (CN) and groups (O) that a client certificate stands for. */
export function subjectOf(certificate: X509Certificate): { readonly user: string; readonly groups: readonly string[] } {
  const lines = certificate.subject.split("\n");
  const values = (field: string) =>
    lines.filter((line) => line.startsWith(`${field}=`)).map((line) => unescaped(line.slice(field.length + 1)));
  return { user: values("CN")[0] ?? "", groups: values("O").sort() };
}

/** Node escapes special characters of a name with a backslash. */
function unescaped(value: string): string {
  return value.replace(/\\([0-9A-Fa-f]{2}|.)/g, (_all, code: string) =>
    code.length === 2 ? String.fromCharCode(Number.parseInt(code, 16)) : code,
  );
}

export async function library() {
  await import("reflect-metadata");
  return import("@peculiar/x509");
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey("pkcs8", key));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`;
}

async function pairOf(text: string): Promise<webcrypto.CryptoKeyPair> {
  const spki = createPublicKey(text).export({ format: "der", type: "spki" });
  const der = Buffer.from(text.replace(/-----[^-]+-----|\s/g, ""), "base64");
  const [publicKey, privateKey] = await Promise.all([
    crypto.subtle.importKey("spki", spki, ALGORITHM, true, ["verify"]),
    crypto.subtle.importKey("pkcs8", der, ALGORITHM, true, ["sign"]),
  ]);
  return { publicKey, privateKey };
}

/** SHA-256 of a certificate's public key (SPKI), in hex: stays the same when it is renewed for the same key. */
export function publicKeyHash(certificate: string): string {
  const key = new X509Certificate(certificate).publicKey.export({ format: "der", type: "spki" });
  return createHash("sha256").update(key).digest("hex");
}

export function importKey(text: string): Promise<webcrypto.CryptoKey> {
  const der = Buffer.from(text.replace(/-----[^-]+-----|\s/g, ""), "base64");
  return crypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]);
}

/** As a list of single-valued parts, so that no character of a name needs escaping. */
function name({ commonName, organizations = [] }: Subject): { [type: string]: string[] }[] {
  return [...[...organizations].sort().map((one) => ({ O: [one] })), { CN: [commonName] }];
}

export function serial(clock: Clock): string {
  const bytes = clock.bytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40; // positive, and never shortened
  return Buffer.from(bytes).toString("hex");
}

function validity(clock: Clock, ms: number, most = Number.POSITIVE_INFINITY): { notBefore: Date; notAfter: Date } {
  const start = Math.floor(clock.now() / 1000) * 1000;
  const back = ms < SHORT_SECONDS * 1000 ? 0 : BACKDATE_MS;
  return { notBefore: new Date(start - back), notAfter: new Date(Math.min(start + ms, most)) };
}

export function pem(text: string): string {
  return `${text.trim()}\n`;
}
