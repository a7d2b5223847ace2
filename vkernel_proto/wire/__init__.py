"""The protocol (docs/wire.md): frames, codecs, messages, streams, who the peer is, and a client."""
