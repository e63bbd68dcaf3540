import Cryptography
import FoundationEssentials
import Settings
import System

/// The credentials of the instance's role, from instance metadata. This source needs no settings and is the last one.
///
/// As in the SDKs, expired credentials remain in use for a while if the metadata service cannot renew them: AWS's other
/// services then accept them ("static stability").
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
            guard error.code == .unavailable, let last = last.withLock({ $0 }), isExpired(last) else {
                throw error
            }
            return extended(last)
        }
        last.withLock { $0 = fresh }
        return isExpired(fresh) ? extended(fresh) : fresh
    }

    private func fetch() async throws(AWSCredentialsError) -> AWSCredentials {
        guard let roles = try await metadata.get(Self.path), let role = Self.firstRole(roles) else {
            throw AWSCredentialsError(
                .misconfigured, "\(name): the instance has no role; attach an instance profile")
        }
        guard let body = try await metadata.get(Self.path + role) else {
            throw AWSCredentialsError(
                .unavailable, "\(name): the instance's role has no credentials yet")
        }
        guard let document = AWSCredentialsDocument(body.bytes) else {
            throw AWSCredentialsError(.unavailable, "\(name): the response is not a JSON object")
        }
        // The service also responds with status 200 if it could not assume the role.
        guard document.isSuccess else {
            throw AWSCredentialsError(
                .denied,
                "\(name): the service could not assume the instance's role (\(document.errorCode ?? "unknown code")); "
                    + "check that its trust policy allows EC2")
        }
        return try document.credentials(token: "Token", needsExpiration: true, from: name)
    }

    private func isExpired(_ credentials: AWSCredentials) -> Bool {
        credentials.expiration.map { $0.timeIntervalSince(date()) < 1 } ?? false
    }

    private func extended(_ credentials: AWSCredentials) -> AWSCredentials {
        let seconds = Self.extensionTime + .random(in: Self.extensionJitter)
        return AWSCredentials(
            accessKeyID: credentials.accessKeyID, secretAccessKey: credentials.secretAccessKey,
            sessionToken: credentials.sessionToken, expiration: date().addingTimeInterval(seconds))
    }

    /// Returns the first line, if it can be part of a path.
    private static func firstRole(_ roles: SharedSecret) -> String? {
        let line = roles.bytes.split(separator: UInt8(ascii: "\n")).first
        return line.flatMap { HeaderValue.visibleASCII($0.bytes) }.flatMap { word in
            let text = word.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            return text.utf8.allSatisfy { !"/?#%\\".utf8.contains($0) } ? text : nil
        }
    }
}
