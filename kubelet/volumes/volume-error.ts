/** Volume error: which volume of a Pod cannot be had, and why, as its events say it. */
export class VolumeError extends Error {
  override readonly name = "VolumeError";
  readonly volume: string;
  constructor(volume: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.volume = volume;
  }
}
