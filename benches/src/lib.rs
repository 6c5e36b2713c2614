//! Criterion benches; each is a file in `benches/benches/`.
