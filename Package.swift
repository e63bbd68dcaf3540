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

        module("Cryptography", ["COpenSSL"]),
        module("System", ["CLinux", "Cryptography"]),
        module("Concurrency", ["System"]),
        module("HTTP", ["CCurl", "CLinux", "Concurrency", "Cryptography", "System", httpTypes]),
        module("Envelope", ["Cryptography", "System"]),
        module("KMS", ["Concurrency", "Envelope", "HTTP", "Cryptography", "System", "YAML", httpTypes]),
        module("YAML", ["CYAML", "Cryptography", "System"]),
        module("Metrics", ["System"]),
        module("Serving", ["CLinux", "System"]),
        module("JSON", []),
        module("KubeClient", ["Concurrency", "HTTP", "JSON", "Cryptography", "System", "YAML", httpTypes]),
        module("Resources", ["Envelope", "JSON", "KubeClient", "Cryptography", "System"]),
        module(
            "Controller",
            [
                "Concurrency", "Envelope", "JSON", "KubeClient", "Metrics", "Cryptography", "System",
                "Resources", "Serving",
                deque,
                heap,
                lifecycle,
                logging,
            ]),
        module(
            "CLI",
            ["Concurrency", "Envelope", "JSON", "KubeClient", "Cryptography", "System", "Resources", "YAML"]),
        .executableTarget(
            name: "SecretsBridge",
            dependencies: [
                "CLI", "Concurrency", "Controller", "Envelope", "KMS", "KubeClient", "Cryptography", "System",
                "Resources",
                "Serving",
                "YAML",
                argumentParser, lifecycle, logging, signals,
            ],
            swiftSettings: strict),

        tests("Cryptography", ["System", "TestSupport"]),
        tests("System", ["Cryptography", "TestSupport"]),
        tests("Concurrency", ["System", "TestSupport"]),
        tests("Envelope", ["KMS", "Cryptography", "System", "TestSupport"]),
        tests("YAML", ["Cryptography", "System", "TestSupport"]),
        tests("HTTP", ["Cryptography", "System", "TestSupport", httpTypes]),
        tests(
            "KMS",
            ["Concurrency", "Envelope", "HTTP", "Cryptography", "System", "TestSupport", "YAML", httpTypes]),
        tests("Metrics", []),
        tests("Serving", ["System"]),
        tests("JSON", ["TestSupport"]),
        tests("KubeClient", ["HTTP", "JSON", "Cryptography", "System", "TestSupport", "YAML", httpTypes]),
        tests(
            "Resources", ["Envelope", "JSON", "KubeClient", "Cryptography", "System", "TestSupport", "YAML"]),
        tests(
            "Controller",
            [
                "Envelope", "HTTP", "JSON", "KubeClient", "Metrics", "Cryptography", "System", "Resources",
                "Serving",
                "TestSupport",
                httpTypes, logging,
            ]),
        tests(
            "CLI",
            [
                "Envelope", "JSON", "KMS", "KubeClient", "Cryptography", "System", "Resources", "TestSupport",
                "YAML",
            ]),
        .target(
            name: "TestSupport",
            dependencies: [
                "Envelope", "HTTP", "KMS", "KubeClient", "Cryptography", "System", "Resources", httpTypes,
            ],
            path: "Tests/Support", swiftSettings: strict),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "Controller", "Envelope", "HTTP", "JSON", "KMS", "KubeClient", "Cryptography", "System",
                "Resources",
                "SecretsBridge", "TestSupport",
                httpTypes, logging,
            ],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
