import Testing

/// Gives a suite an OpenBao of its own, beside the shared cluster.
struct DedicatedOpenBao: SuiteTrait, TestScoping {
    @TaskLocal private static var current: OpenBao?

    static func required() throws -> OpenBao { try #require(current) }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await OpenBao.with { bao in
            try await Self.$current.withValue(bao, operation: function)
        }
    }
}

extension Trait where Self == DedicatedOpenBao {
    static var dedicatedOpenBao: Self { DedicatedOpenBao() }
}
