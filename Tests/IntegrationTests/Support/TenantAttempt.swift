import Resources
import Testing

/// An attempt to stop or mislead the controller, which can be repeated.
struct TenantAttempt: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// The reasons of the tenant's WrappedSecrets after it.
    let reasons: [String: Reason]
    let make: @Sendable (HostileTenant) async throws -> Void

    init(
        _ description: String, _ reasons: [String: Reason] = [:],
        _ make: @Sendable @escaping (HostileTenant) async throws -> Void
    ) {
        testDescription = description
        self.reasons = reasons
        self.make = make
    }

    /// Expects that the victims are served during and after it, and that the tenant's objects alone show a failure.
    func expectNoHarm() async throws {
        try await TenantStage.attempt { stage in
            try await stage.whileRepeating(make)
            try await stage.expect(reasons)
        }
    }

    /// All attempts with metadata, for tests of what they leave.
    static var all: [TenantAttempt] {
        TenantAttempts.TenantManagedFieldsTests.attempts + TenantAttempts.TenantMetadataTests.attempts
            + TenantAttempts.TenantObjectTests.attempts
    }
}
