// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.byName(name: name)] + dependencies, swiftSettings: strict)
}

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

// Arrows point one way; hack/lint keeps them. See docs/architecture.md.
let package = Package(
    name: "secrets-bridge",
    products: [.executable(name: "secrets-bridge", targets: ["SecretsBridge"])],
    dependencies: [
        // Exact versions, of dependencies of dependencies too (docs/adr/0011-locked-builds.md; hack/lint checks it).
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-async-algorithms", exact: "1.1.4"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    ],
    targets: [
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CLinux"),

        module("Primitives", ["COpenSSL", "CLinux"]),
        module("HTTP", ["CCurl", "CLinux", "Primitives", httpTypes]),
        module("Envelope", ["Primitives"]),
        module("KMS", ["Envelope", "HTTP", "Primitives", "YAML", httpTypes]),
        module("YAML", ["CYAML", "Primitives"]),
        module("Metrics", ["Primitives"]),
        module("Serving", ["CLinux", "Primitives"]),
        module("JSON", []),
        module("KubeClient", ["HTTP", "JSON", "Primitives", "YAML", httpTypes]),
        module("Resources", ["Envelope", "JSON", "KubeClient", "Primitives"]),
        module(
            "Controller",
            [
                "Envelope", "JSON", "KubeClient", "Metrics", "Primitives", "Resources", "Serving", deque,
                heap,
                lifecycle,
                logging,
            ]),
        module("CLI", ["Envelope", "JSON", "KubeClient", "Primitives", "Resources", "YAML"]),
        .executableTarget(
            name: "SecretsBridge",
            dependencies: [
                "CLI", "Controller", "Envelope", "KMS", "KubeClient", "Primitives", "Resources", "Serving",
                "YAML",
                argumentParser, lifecycle, logging, signals,
            ],
            swiftSettings: strict),

        tests("Primitives", ["TestSupport"]),
        tests("Envelope", ["KMS", "Primitives", "TestSupport"]),
        tests("YAML", ["Primitives", "TestSupport"]),
        tests("HTTP", ["Primitives", "TestSupport", httpTypes]),
        tests("KMS", ["Envelope", "HTTP", "Primitives", "TestSupport", "YAML", httpTypes]),
        tests("Metrics", []),
        tests("Serving", ["Primitives"]),
        tests("JSON", ["TestSupport"]),
        tests("KubeClient", ["HTTP", "JSON", "Primitives", "TestSupport", "YAML", httpTypes]),
        tests("Resources", ["Envelope", "JSON", "KubeClient", "Primitives", "TestSupport", "YAML"]),
        tests(
            "Controller",
            [
                "Envelope", "HTTP", "JSON", "KubeClient", "Metrics", "Primitives", "Resources", "Serving",
                "TestSupport",
                httpTypes, logging,
            ]),
        tests(
            "CLI",
            ["Envelope", "JSON", "KMS", "KubeClient", "Primitives", "Resources", "TestSupport", "YAML"]),
        .target(
            name: "TestSupport",
            dependencies: ["Envelope", "HTTP", "KMS", "KubeClient", "Primitives", "Resources", httpTypes],
            path: "Tests/Support", swiftSettings: strict),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "Controller", "Envelope", "HTTP", "JSON", "KMS", "KubeClient", "Primitives", "Resources",
                "SecretsBridge", "TestSupport",
                httpTypes, logging,
            ],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
