# The server, built here and run without a shell's help as a user without rights. docker/README.md says how.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
# Empty: the flags of .cargo/config.toml (AVX2 and PCLMULQDQ), which a variable that is set would replace, even by
# nothing. For an older CPU:
#   docker build --build-arg RUSTFLAGS="-C target-cpu=x86-64" .
ARG RUSTFLAGS=""
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    { [ -n "$RUSTFLAGS" ] || unset RUSTFLAGS; } \
    && cargo build --release --locked --bin maple-expectation \
    && cp target/release/maple-expectation /maple-expectation

FROM debian:12.8-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin maple \
    && install --directory --owner maple --group maple /data
COPY --from=build /maple-expectation /usr/local/bin/maple-expectation
COPY docker/healthy.sh /usr/local/bin/healthy
USER maple
ENV MAPLE_SERVER_LISTEN=0.0.0.0:8080 MAPLE_SERVER_DATA=/data
VOLUME /data
EXPOSE 8080
# Before it ends it lets requests in work finish.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 CMD ["bash", "/usr/local/bin/healthy"]
ENTRYPOINT ["maple-expectation"]
