/**
 * Refusals: answers to requests that lead nowhere, in the words that kubectl knows.
 */
import { ApiError } from "../../machinery/objects/status.ts";

export const nothingThere = (): ApiError =>
  new ApiError("NotFound", "the server could not find the requested resource", {});

export const methodNotAllowed = (why = "the server does not allow this method on the requested resource"): ApiError =>
  new ApiError("MethodNotAllowed", why, {});
