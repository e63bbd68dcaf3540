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

// Properties of all parsers of outside bytes: unit tests, and with $SB_FUZZ the program that hack/fuzz gives to libFuzzer.
// The program links only with the flags of hack/fuzz (docs/adr/0019-fuzzing-with-libfuzzer.md).
let fuzzedModules: [Target.Dependency] = [
    "CLI", "Concurrency", "Controller", "Cryptography", "Envelope", "HTTP", "JSON", "KMS", "KubeClient",
    "Resources", "Serving", "Settings", "System", "TestSupport", "YAML", httpTypes,
]
let fuzzing: Target =
    if Context.environment["SB_FUZZ"] == nil {
        .testTarget(
            name: "FuzzTests", dependencies: fuzzedModules, path: "Tests/Fuzz",
            exclude: ["Findings", "Program"], swiftSettings: strict)
    } else {
        .executableTarget(
            name: "Fuzz", dependencies: fuzzedModules, path: "Tests/Fuzz", exclude: ["Findings", "Tests"],
            // The other linkers refuse the main function of libFuzzer's library beside that of the program.
            swiftSettings: strict, linkerSettings: [.unsafeFlags(["-use-ld=lld"])])
    }

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

        .target(name: "COpenSSLSetup", dependencies: ["COpenSSL"]),
        module("Cryptography", ["COpenSSL", "COpenSSLSetup"]),
        module("System", ["CLinux", "Cryptography"]),
        module("Concurrency", ["System"]),
        module("Settings", ["Cryptography", "System"]),
        module("JSON", ["Cryptography", "System"]),
        module("YAML", ["CYAML", "Cryptography", "JSON", "System"]),
        module("HTTP", ["CCurl", "Cryptography", "System", httpTypes]),
        module("Envelope", ["Cryptography", "System"]),
        module(
            "KMS",
            ["Concurrency", "Cryptography", "Envelope", "HTTP", "JSON", "Settings", "System", httpTypes]),
        module("KubeClient", ["Concurrency", "Cryptography", "HTTP", "JSON", "System", "YAML", httpTypes]),
        module("Resources", ["Cryptography", "Envelope", "JSON", "KubeClient", "System"]),
        module("Metrics", ["System"]),
        module("Serving", ["System"]),
        module(
            "Controller",
            [
                "Concurrency", "Cryptography", "Envelope", "JSON", "KubeClient", "Metrics", "Resources",
                "Serving", "System", deque, heap, lifecycle, logging,
            ]),
        module("CLI", ["Cryptography", "Envelope", "JSON", "KubeClient", "Resources", "System", "YAML"]),
        .executableTarget(
            name: "SecretsBridge",
            dependencies: [
                "CLI", "Concurrency", "Controller", "Cryptography", "Envelope", "JSON", "KMS", "KubeClient",
                "Resources", "Serving", "Settings", "System", "YAML", argumentParser, lifecycle, logging,
                signals,
            ],
            swiftSettings: strict),

        tests("Cryptography", ["COpenSSL", "System", "TestSupport"]),
        tests("System", ["Cryptography", "TestSupport"]),
        tests("Concurrency", ["System", "TestSupport"]),
        tests("Settings", ["Cryptography", "System", "TestSupport"]),
        tests("JSON", ["Cryptography", "TestSupport"]),
        tests("YAML", ["Cryptography", "JSON", "System", "TestSupport"]),
        tests("HTTP", ["CCurl", "Cryptography", "System", "TestSupport", httpTypes]),
        tests("Envelope", ["Cryptography", "KMS", "System", "TestSupport"]),
        tests(
            "KMS",
            [
                "Concurrency", "Cryptography", "Envelope", "HTTP", "JSON", "Settings", "System",
                "TestSupport",
                httpTypes,
            ]),
        tests("KubeClient", ["Cryptography", "HTTP", "JSON", "System", "TestSupport", "YAML", httpTypes]),
        tests("Resources", ["Cryptography", "Envelope", "JSON", "KubeClient", "TestSupport", "YAML"]),
        tests("Metrics", ["System"]),
        tests("Serving", ["System"]),
        tests(
            "Controller",
            [
                "Concurrency", "Cryptography", "Envelope", "HTTP", "JSON", "KubeClient", "Metrics",
                "Resources", "Serving", "System", "TestSupport", httpTypes, logging,
            ]),
        tests(
            "CLI",
            [
                "Cryptography", "Envelope", "JSON", "KMS", "KubeClient", "Resources", "System", "TestSupport",
                "YAML",
            ]),
        tests("SecretsBridge", [logging]),
        .target(
            name: "TestSupport",
            dependencies: [
                "Cryptography", "Envelope", "HTTP", "JSON", "KMS", "KubeClient", "System", "YAML", httpTypes,
            ],
            path: "Tests/Support", swiftSettings: strict),
        // Fixed work for hack/guard, which counts what it costs. Not part of a release.
        .executableTarget(
            name: "GuardWorkloads",
            dependencies: [
                "Controller", "Cryptography", "Envelope", "KubeClient", "Resources", "System", "TestSupport",
                httpTypes, logging,
            ],
            path: "Tests/Guard", swiftSettings: strict),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "Controller", "Cryptography", "Envelope", "HTTP", "JSON", "KMS", "KubeClient", "Resources",
                "Settings", "System", "TestSupport", httpTypes, logging,
            ],
            swiftSettings: strict),
    ] + [fuzzing],
    swiftLanguageModes: [.v6]
)
