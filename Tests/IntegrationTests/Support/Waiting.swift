struct Timeout: Error, CustomStringConvertible {
    let what: String
    /// The last error of the probe, if it was an error.
    let last: String?

    var description: String { "did not happen in time: \(what)\(last.map { " (\($0))" } ?? "")" }
}

/// Asks `probe` until it gives a value. What it throws counts as "not yet": servers restart under these tests.
/// The limit is there to end a test that fails; how long anything takes is not tested here.
func eventually<Value>(
    _ what: String, within limit: Duration = .seconds(90), _ probe: () async throws -> Value?
) async throws -> Value {
    let end = ContinuousClock.now + limit
    var last: String?
    repeat {
        do {
            if let value = try await probe() { return value }
            last = nil
        } catch let error as CancellationError {
            throw error
        } catch {
            last = "\(error)"
        }
        try await Task.sleep(for: .milliseconds(25))
    } while ContinuousClock.now < end
    throw Timeout(what: what, last: last)
}

func eventually(
    _ what: String, within limit: Duration = .seconds(90), _ probe: () async throws -> Bool
) async throws {
    _ = try await eventually(what, within: limit) { try await probe() ? true : nil }
}
