/** The flight recorder: recording a service, replaying a recording, timelines out of it. Unstable: so are its formats. */
export * as Recorder from "./recorder/Recorder.ts"
export * as Replay from "./recorder/Replay.ts"
export * as Timeline from "./recorder/Timeline.ts"
export * as TimelineText from "./recorder/TimelineText.ts"
