import KubeClient
import System

/// Logs each kind of failure once in an outage. Safe to use from any thread.
final class LogOnce: Sendable {
    private let logged = Locked<[String]>([])

    /// Returns whether this kind of failure was not logged yet.
    func shouldLog(_ kind: String) -> Bool {
        logged.withLock { logged in
            guard !logged.contains(kind) else { return false }
            logged.append(kind)
            return true
        }
    }

    /// Ends the outage.
    ///
    /// - Returns: the kinds of failures that were logged, or nil if there were none.
    func reset() -> String? {
        logged.withLock { logged in
            defer { logged = [] }
            return logged.isEmpty ? nil : logged.joined(separator: ", ")
        }
    }
}

/// Logs each kind of failure of a watch once in an outage. A server that cannot be reached, or limits the rate of
/// requests, is one outage for the watches of all namespaces. A namespace whose watch is forbidden is an outage of its
/// own. Safe to use from any thread.
final class WatchOutages: Sendable {
    struct Watch: Hashable {
        let resource: String
        let namespace: String?
    }

    private struct State {
        /// Failures of the server that were logged, by resource.
        var ofServer: [String: [String]] = [:]
        /// Failures of one watch that were logged.
        var ofWatch: [Watch: [String]] = [:]
        /// Watches that have not recovered from a failure of the server.
        var broken: Set<Watch> = []
    }

    private let state = Locked(State())

    /// Returns whether this failure was not logged yet.
    func shouldLog(_ code: KubeError.Code, _ watch: Watch) -> Bool {
        state.withLock { state in
            guard Self.concernsServer(code) else {
                guard state.ofWatch[watch]?.contains(code.rawValue) != true else { return false }
                state.ofWatch[watch, default: []].append(code.rawValue)
                return true
            }
            state.broken.insert(watch)
            guard state.ofServer[watch.resource]?.contains(code.rawValue) != true else { return false }
            state.ofServer[watch.resource, default: []].append(code.rawValue)
            return true
        }
    }

    /// Records that a watch works.
    ///
    /// - Returns: the failures that it has recovered from: its own and, if it is the last watch to recover, those of
    ///   the server. Nil if there are none.
    func end(_ watch: Watch) -> String? {
        state.withLock { state in
            var over = state.ofWatch.removeValue(forKey: watch) ?? []
            if state.broken.remove(watch) != nil,
                !state.broken.contains(where: { $0.resource == watch.resource })
            {
                over += state.ofServer.removeValue(forKey: watch.resource) ?? []
            }
            return over.isEmpty ? nil : over.joined(separator: ", ")
        }
    }

    private static func concernsServer(_ code: KubeError.Code) -> Bool {
        switch code {
        case .transport, .tooManyRequests, .unavailable, .timeout, .internalError, .credentials,
            .unauthorized:
            true
        default: false
        }
    }
}
