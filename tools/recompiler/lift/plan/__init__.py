"""Analysis of a function before anything is emitted: flow, liveness, shape, safepoints, links."""
