/** Both framings pass the same cases. */
import { execCases, portForwardCases } from "./channels.cases.ts";

execCases("websocket");
execCases("spdy");
portForwardCases();
