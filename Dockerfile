# The image of hack/image, for those who have Docker. BASE_IMAGE is what hack/base-image names, by its digest:
#
#   image=$(cat hack/base-image)
#   digest=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}')
#   docker build --build-arg BASE_IMAGE="${image%@*}@$digest" --build-arg REVISION="$(git rev-parse HEAD)" -t secrets-bridge .
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS build
ARG BASE_IMAGE
RUN case "$BASE_IMAGE" in *@sha256:*) ;; *) echo "BASE_IMAGE=$BASE_IMAGE has no digest; the Dockerfile says how to get it" >&2; exit 1 ;; esac
RUN apt-get update && apt-get install -y --no-install-recommends \
    ca-certificates git libcurl4-openssl-dev libssl-dev libyaml-dev pkg-config python3
WORKDIR /source
COPY . .
RUN swift build -c release --product secrets-bridge --static-swift-stdlib -debug-info-format none -Xlinker -s \
    && objcopy --remove-section=.swift_modhash --remove-section=.note.gnu.build-id .build/release/secrets-bridge \
    && hack/image --root /image --binary .build/release/secrets-bridge

FROM scratch
ARG REVISION=unknown
LABEL org.opencontainers.image.title=secrets-bridge \
    org.opencontainers.image.description="Keeps Secrets in Git, wrapped by a key that never leaves your KMS" \
    org.opencontainers.image.revision=$REVISION \
    org.opencontainers.image.licenses=Apache-2.0 \
    org.opencontainers.image.url=https://github.com/secrets-bridge/secrets-bridge \
    org.opencontainers.image.source=https://github.com/secrets-bridge/secrets-bridge
COPY --from=build /image /
# Swift's crash handler would print memory, keys included.
ENV SWIFT_BACKTRACE=enable=no
USER 65532:65532
ENTRYPOINT ["/usr/bin/secrets-bridge"]
