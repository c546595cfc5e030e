/**
 * Join token: what a machine is given so that it may join a cluster, and knows which cluster it is.
 *
 * "K10<hash>::<id>.<secret>": the hash of the authority's public key, by which the server proves itself before it is
 * told anything, and a bootstrap token (../objects/bootstrap-token.ts). One for servers ends in "::<key>", by which the keys
 * that servers share are decrypted (server-keys.ts). It is a secret: never log it.
 */
import { type BootstrapToken, parseBootstrapToken } from "../objects/bootstrap-token.ts";
import { publicKeyHash } from "../pki/certificates.ts";
import { UsageError } from "../process/flags.ts";

export interface JoinToken extends BootstrapToken {
  /** SHA-256 of the public key (SPKI) of the cluster's authority, in hex. */
  readonly authorityHash: string;
  /** 32 bytes in base64url; a token for agents has none. */
  readonly serverKey?: string | undefined;
}

const FORM = /^K10([0-9a-f]{64})::(.+?)(?:::([A-Za-z0-9_-]{43}))?$/;

export const formatJoinToken = ({ authorityHash, id, secret, serverKey }: JoinToken): string =>
  `K10${authorityHash}::${id}.${secret}${serverKey ? `::${serverKey}` : ""}`;

/** Throws a UsageError that says what is wrong, without the token. */
export function parseJoinToken(text: string): JoinToken {
  const [, authorityHash, rest = "", serverKey] = FORM.exec(text.trim()) ?? [];
  if (authorityHash === undefined) {
    const bare = parseBootstrapToken(text.trim()) !== undefined;
    throw new UsageError(
      bare
        ? "the token lacks its first part, K10<hash>::, by which the server is recognized: take the whole line that 'k8ts token create' prints"
        : "this is no join token: 'k8ts token create' on a server prints one, K10<hash>::<id>.<secret>",
    );
  }
  const token = parseBootstrapToken(rest);
  if (!token) throw new UsageError("the token is cut off or mistyped: behind :: stand 6 characters, a dot and 16 more");
  return { authorityHash, ...token, ...(serverKey ? { serverKey } : {}) };
}

/** Of the key, not of the certificate, so that an authority's certificate may be renewed. */
export const authorityHash = publicKeyHash;
