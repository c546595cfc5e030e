/** Terminal sizes of a session: keeps the last one for a listener that comes later. */
import type { TerminalSize } from "./channels.ts";

export interface Resizes {
  /** Takes `{"Width":80,"Height":24}`; anything else is ignored, as a size is never worth a session. */
  receive(text: string): void;
  listen(listener: (size: TerminalSize) => void): void;
}

export function createResizes(): Resizes {
  let last: TerminalSize | undefined;
  let listener: ((size: TerminalSize) => void) | undefined;
  return {
    receive: (text) => {
      const size = parse(text);
      if (!size) return;
      last = size;
      listener?.(size);
    },
    listen: (next) => {
      listener = next;
      if (last) next(last);
    },
  };
}

function parse(text: string): TerminalSize | undefined {
  try {
    const { Width: width, Height: height } = JSON.parse(text) as { Width?: unknown; Height?: unknown };
    const whole = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0;
    return whole(width) && whole(height) && width < 65_536 && height < 65_536 ? { width, height } : undefined;
  } catch {
    return undefined;
  }
}
