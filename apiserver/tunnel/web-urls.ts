/**
 * Web URLs: what a server behind a proxy says of its own paths, said of the paths by which it is reached.
 *
 * Redirects and the links of HTML pages that begin at the server's root get the proxy's prefix. Other hosts stay.
 */

/** `prefix` without a slash at its end: "/api/v1/namespaces/a/services/b/proxy". */
export function rewrittenUrl(url: string, prefix: string, host: string): string {
  const absolute = /^(?:https?:)?\/\/([^/?#]+)(.*)$/i.exec(url);
  const path = absolute ? absolute[2] || "/" : url;
  if (absolute && absolute[1] !== host) return url;
  if (!path.startsWith("/") || path === prefix || path.startsWith(`${prefix}/`)) return path;
  return `${prefix}${path}`;
}

/** Attributes that hold one URL. */
const LINK =
  /(\s(?:action|background|cite|classid|codebase|data|formaction|href|icon|longdesc|manifest|poster|profile|src|usemap)\s*=\s*)(?:"([^"]*)"|'([^']*)')/gi;

export function rewrittenHtml(html: string, prefix: string, host: string): string {
  return html.replaceAll(LINK, (whole: string, name: string, double?: string, single?: string) => {
    const url = double ?? single ?? "";
    const changed = rewrittenUrl(url, prefix, host);
    const quote = double === undefined ? "'" : '"';
    return changed === url ? whole : `${name}${quote}${changed}${quote}`;
  });
}
