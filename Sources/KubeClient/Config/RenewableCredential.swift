import Cryptography
import FoundationEssentials

/// A credential that is fetched when there is none or it has expired.
///
/// Guarantees: one fetch runs however many tasks wait; a task that is cancelled stops waiting, the fetch goes on for the
/// others; a failure is not kept.
actor RenewableCredential: CredentialSource {
    struct Issued: Sendable {
        let authorization: SharedSecret?
        let clientCertificate: ClusterConfiguration.ClientCertificate?
        /// nil: valid until refused.
        let expiration: Date?
    }

    typealias Fetch = @Sendable () async throws(ConfigurationError) -> Issued

    private struct Held {
        let credential: Credential
        let expiration: Date?
    }

    private typealias Waiter = CheckedContinuation<Result<Credential, ConfigurationError>, Never>

    private let origin: String
    private let isRenewedWhenRefused: Bool
    private let now: @Sendable () -> Date
    private let fetch: Fetch
    private var held: Held?
    private var generation: UInt64 = 0
    private var isFetching = false
    private var waiters: [UInt64: Waiter] = [:]
    private var nextWaiter: UInt64 = 0

    /// A credential that ends within this time might end on its way.
    static let leeway: Double = 10

    /// - Parameters:
    ///   - origin: what is waited for, in errors: `a credential plugin`.
    ///   - issued: what is at hand already.
    ///   - isRenewedWhenRefused: whether a 401 asks for a new one before this one has expired.
    init(
        from origin: String, issued: Issued? = nil, isRenewedWhenRefused: Bool = true,
        now: @escaping @Sendable () -> Date, fetch: @escaping Fetch
    ) {
        self.origin = origin
        self.isRenewedWhenRefused = isRenewedWhenRefused
        self.now = now
        self.fetch = fetch
        held = issued.map {
            Held(
                credential: Credential(
                    authorization: $0.authorization, clientCertificate: $0.clientCertificate),
                expiration: $0.expiration)
        }
    }

    func credential() async throws(ConfigurationError) -> Credential {
        if let held, held.expiration.map({ now().addingTimeInterval(Self.leeway) < $0 }) ?? true {
            return held.credential
        }
        let id = nextWaiter
        nextWaiter += 1
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                waiters[id] = waiter
                start()
            }
        } onCancel: {
            Task { await self.abandon(id) }
        }
        return try result.get()
    }

    func invalidate(_ used: Credential) async {
        guard isRenewedWhenRefused, held?.credential.generation == used.generation else { return }
        held = nil
    }

    private func abandon(_ id: UInt64) {
        let error = ConfigurationError(.cancelled, "cancelled while waiting for \(origin)")
        waiters.removeValue(forKey: id)?.resume(returning: .failure(error))
    }

    /// The fetch has a task of its own: no waiter may cancel it for the others.
    private func start() {
        guard !isFetching else { return }
        isFetching = true
        Task {
            let result: Result<Credential, ConfigurationError>
            do throws(ConfigurationError) {
                result = .success(hold(try await fetch()))
            } catch {
                result = .failure(error)
            }
            isFetching = false
            let waiting = waiters.values
            waiters = [:]
            for waiter in waiting { waiter.resume(returning: result) }
        }
    }

    private func hold(_ issued: Issued) -> Credential {
        generation += 1
        let credential = Credential(
            authorization: issued.authorization, clientCertificate: issued.clientCertificate,
            generation: generation)
        held = Held(credential: credential, expiration: issued.expiration)
        return credential
    }
}
