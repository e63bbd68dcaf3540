# The image of hack/image, for those who have Docker: docker build -t secrets-bridge .
FROM swift:6.2-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
    ca-certificates git libcurl4-openssl-dev libssl-dev libyaml-dev pkg-config python3
WORKDIR /source
COPY . .
RUN swift build -c release --product secrets-bridge --static-swift-stdlib -Xlinker -s \
    && hack/image --root /image --binary .build/release/secrets-bridge

FROM scratch
COPY --from=build /image /
USER 65532:65532
ENTRYPOINT ["/usr/bin/secrets-bridge"]
