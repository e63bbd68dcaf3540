/// The limits that all reconciles of a process share.
struct ReconcileLimits: Sendable {
    /// Requests to the KMS, by namespace.
    let unwraps: UnwrapRateLimiter
    /// The memory of all reconciles in flight.
    let memory: ReconcileMemoryLimiter
    /// The reconciles that unwrap with providers.
    let providers: ProviderUnwrapLimiter
    /// The verifications by unwrapping, of all namespaces.
    let verifications = VerificationPacer()
}
