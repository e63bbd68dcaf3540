import KubeClient
import System

/// What has been said of watches that broke off, of all namespaces together: that the API server cannot be reached, or
/// asks to wait, is one outage and not one for each of a thousand watches. That one namespace is refused is a matter of
/// its own, and is said of each.
final class WatchOutages: Sendable {
    struct Watch: Hashable {
        let resource: String
        let namespace: String?
    }

    private struct State {
        /// Failures said of the server, by resource.
        var said: [String: [String]] = [:]
        /// Failures said of one watch.
        var saidOfOne: [Watch: [String]] = [:]
        /// Watches that have not come back yet.
        var broken: Set<Watch> = []
    }

    private let state = Locked(State())

    /// Whether this failure has not been said yet.
    func shouldLog(_ code: KubeError.Code, _ watch: Watch) -> Bool {
        state.withLock { state in
            guard Self.isOfServer(code) else {
                guard state.saidOfOne[watch]?.contains(code.rawValue) != true else { return false }
                state.saidOfOne[watch, default: []].append(code.rawValue)
                return true
            }
            state.broken.insert(watch)
            guard state.said[watch.resource]?.contains(code.rawValue) != true else { return false }
            state.said[watch.resource, default: []].append(code.rawValue)
            return true
        }
    }

    /// The watch is well. Returns what there was of it alone, or, when it is the last one to come back, of the server;
    /// nil where there is nothing to tell.
    func end(_ watch: Watch) -> String? {
        state.withLock { state in
            var over = state.saidOfOne.removeValue(forKey: watch) ?? []
            if state.broken.remove(watch) != nil,
                !state.broken.contains(where: { $0.resource == watch.resource })
            {
                over += state.said.removeValue(forKey: watch.resource) ?? []
            }
            return over.isEmpty ? nil : over.joined(separator: ", ")
        }
    }

    private static func isOfServer(_ code: KubeError.Code) -> Bool {
        switch code {
        case .transport, .tooManyRequests, .unavailable, .timeout, .internalError, .credentials,
            .unauthorized:
            true
        default: false
        }
    }
}
