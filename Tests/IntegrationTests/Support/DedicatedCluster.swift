import Testing

/// Gives a suite a control plane of its own, for what is done to the servers themselves.
struct DedicatedCluster: SuiteTrait, TestScoping {
    @TaskLocal private static var current: Cluster?

    static func required() throws -> Cluster { try #require(current) }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await Cluster.withDedicated(try Settings.required()) { cluster in
            try await Self.$current.withValue(cluster, operation: function)
        }
    }
}

extension Trait where Self == DedicatedCluster {
    static var dedicatedCluster: Self { DedicatedCluster() }
}
