# syntax=docker/dockerfile:1
# Stentor as one static binary on nothing else: no shell, no package manager, no user but a number.
#
#   docker build -t stentor .
#   docker run -p 127.0.0.1:9095:9095 -v stentor:/var/lib/stentor \
#     -v ./stentor.yml:/etc/stentor/stentor.yml:ro -v ./secrets:/etc/stentor/secrets:ro stentor
#
# The secrets' files must be readable by user 65532.

FROM rust:1.95-alpine AS build
# hadolint ignore=DL3018
RUN apk add --no-cache build-base
WORKDIR /src
COPY . .
RUN cargo build --locked --profile dist --bin stentor \
    && mkdir -p /rootfs/etc/stentor /rootfs/var/lib/stentor /rootfs/tmp \
    && cp target/dist/stentor /rootfs/ \
    && cp -r stentor.yml rules /rootfs/etc/stentor/

FROM scratch
# a volume that is mounted here first takes this owner
COPY --from=build --chown=65532:65532 /rootfs/ /
USER 65532:65532
VOLUME /var/lib/stentor
EXPOSE 9095
# Listening beyond loopback, Stentor serves reads (pages, probes, /metrics) and refuses writes; reload by SIGHUP.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["/stentor", "ready"]
ENTRYPOINT ["/stentor"]
CMD ["run", "--config.file=/etc/stentor/stentor.yml", "--storage.path=/var/lib/stentor", "--web.listen-address=0.0.0.0:9095"]
