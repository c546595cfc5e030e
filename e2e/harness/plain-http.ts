/** Plain http: one request on a connection of its own, read to its end. A kept one would break when a server is killed. */
import { get } from "node:http";

export interface PlainAnswer {
  readonly status: number;
  readonly body: string;
}

export function httpGet(url: string): Promise<PlainAnswer> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", reject);
    });
    request.on("error", reject);
  });
}
