import Cryptography
import FoundationEssentials
import System

/// The credentials of the instance's role. Asked last, and without anybody having configured it.
///
/// Credentials that have ended are used on for a while, as the SDKs do: when the service is not able to renew
/// them, the other services of AWS know, and accept them ("static stability").
///
/// Source: AWS SDKs and Tools Reference Guide, "IMDS credential provider".
final class AWSInstanceCredentials: AWSCredentialsSource {
    private let metadata: AWSInstanceMetadata
    private let date: @Sendable () -> Date
    private let last = Locked<AWSCredentials?>(nil)

    private static let path = "latest/meta-data/iam/security-credentials/"
    static let extensionTime = 10 * 60.0
    static let extensionJitter = 2 * 60.0...10 * 60.0

    var name: String { metadata.name }
    var isImplicit: Bool { true }

    init(_ metadata: AWSInstanceMetadata, date: @escaping @Sendable () -> Date = { Date() }) {
        self.metadata = metadata
        self.date = date
    }

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials? {
        guard !metadata.isDisabled else { return nil }
        let fresh: AWSCredentials
        do throws(AWSCredentialsError) {
            fresh = try await fetch()
        } catch {
            guard error.code == .unavailable, let last = last.withLock({ $0 }), hasEnded(last) else {
                throw error
            }
            return extended(last)
        }
        last.withLock { $0 = fresh }
        return hasEnded(fresh) ? extended(fresh) : fresh
    }

    private func fetch() async throws(AWSCredentialsError) -> AWSCredentials {
        guard let answer = try await metadata.get(Self.path), let role = Self.role(answer) else {
            throw AWSCredentialsError(
                .misconfigured, "\(name): the instance has no role; attach an instance profile")
        }
        guard let body = try await metadata.get(Self.path + role) else {
            throw AWSCredentialsError(
                .unavailable, "\(name): there are no credentials for the instance's role yet")
        }
        guard let document = AWSCredentialsDocument(body.bytes) else {
            throw AWSCredentialsError(.unavailable, "\(name): the answer is no JSON object")
        }
        // It answers 200 when it could not assume the role.
        guard document.isSuccess else {
            throw AWSCredentialsError(
                .denied,
                "\(name): the instance's role gives no credentials (\(document.errorCode ?? "no known code")); "
                    + "check that EC2 may assume it")
        }
        return try document.credentials(token: "Token", needsExpiration: true, from: name)
    }

    private func hasEnded(_ credentials: AWSCredentials) -> Bool {
        credentials.expiration.map { $0.timeIntervalSince(date()) < 1 } ?? false
    }

    private func extended(_ credentials: AWSCredentials) -> AWSCredentials {
        let more = Self.extensionTime + .random(in: Self.extensionJitter)
        return AWSCredentials(
            accessKeyID: credentials.accessKeyID, secretAccessKey: credentials.secretAccessKey,
            sessionToken: credentials.sessionToken, expiration: date().addingTimeInterval(more))
    }

    /// The first line. It becomes a part of a path.
    private static func role(_ answer: SharedSecret) -> String? {
        let line = answer.bytes.split(separator: UInt8(ascii: "\n")).first
        return line.flatMap { HeaderValue.visibleASCII($0.bytes) }.flatMap { word in
            let text = word.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            return text.utf8.allSatisfy { !"/?#%\\".utf8.contains($0) } ? text : nil
        }
    }
}
