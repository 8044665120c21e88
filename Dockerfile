# syntax=docker/dockerfile:1
# The program alone, for a FastCGI socket that nginx shares (docker-compose.yml shows the whole).
#
#     docker build -t swingmusic-fcgi --build-arg COMMIT=$(git rev-parse HEAD) .
#     docker buildx build --platform linux/amd64,linux/arm64 -t swingmusic-fcgi .
#
# What a build before this one has compiled is kept in a cache of the builder's and used again.

FROM swift:6.2-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libcurl4-openssl-dev libfcgi-dev libhiredis-dev libsqlite3-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY Package.swift ./
COPY Sources Sources
COPY Tests Tests
ARG COMMIT
ARG TARGETARCH
RUN --mount=type=cache,id=swingmusic-fcgi-${TARGETARCH},target=/source/.build \
    --mount=type=cache,id=swiftpm,target=/root/.cache/org.swift.swiftpm,sharing=locked \
    SWINGMUSIC_FCGI_COMMIT=${COMMIT} swift build -c release --static-swift-stdlib --product swingmusic-fcgi \
    && install -D -s .build/release/swingmusic-fcgi /out/swingmusic-fcgi

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        ca-certificates libcurl4 libhiredis0.14 libsqlite3-0 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 1000 swingmusic \
    && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin swingmusic \
    && install -d -o 1000 -g 1000 -m 0750 /var/lib/swingmusic-fcgi /run/swingmusic-fcgi
COPY --from=build /out/swingmusic-fcgi /usr/local/bin/swingmusic-fcgi
# A worker that crashes is to make room for the next at once; Swift's backtracer would hold it for seconds first.
ENV SWIFT_BACKTRACE=enable=no
USER 1000:1000
VOLUME /var/lib/swingmusic-fcgi
# Asks a worker through the socket, as nginx would.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["/usr/local/bin/swingmusic-fcgi", "check", "--health"]
ENTRYPOINT ["/usr/local/bin/swingmusic-fcgi"]
