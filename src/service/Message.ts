/**
 * Messages as the application sees them: what extensions get and return, and what subscriptions deliver. How messages are
 * decoded and built is in `core/Message`.
 */
export type { Delivery, Raw } from "../core/Message.ts"
export { isRaw } from "../core/Message.ts"
