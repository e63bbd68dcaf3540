/// What the API server accepts as one Secret.
package enum SecretLimits {
    /// Total of all values, in bytes, that kube-apiserver allows (core/v1 MaxSecretSize).
    package static let maximumPlaintextBytes = 1_048_576

    package static func check(plaintextCount: Int) throws(SpecError) {
        guard plaintextCount <= maximumPlaintextBytes else {
            throw SpecError(
                .tooLarge,
                "the values have \(plaintextCount) bytes together; a Secret holds \(maximumPlaintextBytes) at most: "
                    + "split it")
        }
    }
}
