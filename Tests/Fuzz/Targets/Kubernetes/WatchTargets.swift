import Cryptography
import Foundation
import HTTP
import JSON
import Resources
import TestSupport

@testable import Controller
@testable import KubeClient

extension FuzzTarget {
    static let watchTargets = [
        FuzzTarget("watch", seeds: watchSeeds, awaiting: checkWatch),
        FuzzTarget("list", seeds: listSeeds, check: checkList),
        FuzzTarget(
            "lease", maximumLength: 1024,
            seeds: Seeds.texts(
                #"{"metadata":{"name":"l","resourceVersion":"9"},"spec":{"holderIdentity":"a","leaseDurationSeconds":15,"#
                    + #""acquireTime":"2026-01-01T00:00:00.000000Z","renewTime":"2026-01-01T00:00:00.000000Z","leaseTransitions":3}}"#
            ),
            check: checkLease),
        FuzzTarget(
            "status", maximumLength: 2048,
            seeds: Seeds.texts(
                #"{"kind":"Status","status":"Failure","message":"admission webhook \"a.b\" denied the request: no","#
                    + #""reason":"Invalid","details":{"retryAfterSeconds":3,"causes":[{"field":"f","reason":"r","message":"m"}]},"code":422}"#,
                #"{"kind":"Status","reason":"Conflict","message":"Apply failed with 1 conflict: conflict with \"x\"","code":409}"#
            ),
            check: checkStatus),
        FuzzTarget(
            "label-selector", maximumLength: 256,
            seeds: Seeds.texts("team=payments,!legacy", "a in (b, c),d notin (), x!=y", "n>3", "a.b/c==d"),
            check: checkSelector),
    ]

    private static let watchSeeds = Seeds.texts(
        choices: 1,
        #"{"type":"ADDED","object":\#(ObjectSeeds.object)}"# + "\n"
            + #"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"11","annotations":{"k8s.io/initial-events-end":"true"}}}}"#
            + "\n"
            + #"{"type":"DELETED","object":{"metadata":{"name":"db","namespace":"a","resourceVersion":"12"}}}"#
            + "\n",
        #"{"object":{"code":410,"reason":"Expired"},"type":"ERROR"}"# + "\n",
        #"{"type":"NEW","object":{}}"# + "\nx\n\n")

    private static let listSeeds = Seeds.texts(
        #"{"metadata":{"resourceVersion":"5","continue":"c","remainingItemCount":7},"items":[\#(ObjectSeeds.object),{"metadata":{"name":"x"}},{}]}"#,
        #"{"metadata":{},"items":null}"#)
}

/// A watch goes on or ends, whatever the lines are; how they are cut does not change the events.
@Sendable private func checkWatch(_ input: [UInt8]) async throws {
    var choices = InputChoices(input)
    let options = choices.byte()
    let bytes = choices.remaining
    func events(_ chunks: [[UInt8]]) async -> [String] {
        var machine = WatcherMachine(streamingLists: options & 1 == 1)
        _ = machine.advance(.start)
        _ = machine.advance(.page(resourceVersion: "1", continueToken: nil))
        let recorder = Recorder<String>()
        let reader = WatchReader<WrappedSecret>(
            machine: machine, progress: nil, permit: nil, maximumEventBytes: 2048,
            emit: { recorder.append("\($0)") })
        let (stream, source) = AsyncStream<[UInt8]>.makeStream()
        chunks.forEach { source.yield($0) }
        source.finish()
        let end = await reader.read(HTTPBody(chunks: stream))
        return recorder.elements + ["\(String(describing: end.next)) \(end.receivedEvent)"]
    }
    let whole = await events([bytes])
    let size = Int(options >> 1) + 1
    let cut = await events(
        stride(from: 0, to: bytes.count, by: size).map { Array(bytes[$0..<min($0 + size, bytes.count)]) })
    try require(cut == whole, "other events in chunks of \(size) bytes")
    for line in bytes.split(separator: 0x0A) {
        let event = try? JSONReader.read(WatchEvent<WrappedSecret>.self, from: Array(line))
        if case .added(let item)? = event { try requireCached(item) }
    }
}

/// All items of a page are read or counted as unreadable.
@Sendable private func checkList(_ input: [UInt8]) throws {
    if let page = try? JSONReader.read(ListPage<WrappedSecret>.self, from: input) {
        for item in page.items { try requireCached(item) }
        try require(page.remaining.map { $0 >= 0 } ?? true, "a negative number of objects")
        if let items = try? JSONValue(parsing: input.secret.bytes)["items"], !items.isNull {
            let count = items.elements?.count ?? 0
            try require(page.items.count + page.unreadableItems.count == count, "\(count) items")
        }
    }
    _ = try? JSONReader.read(ListPage<SecretMetadata>.self, from: input)
    _ = try? JSONReader.read(ListPage<NamespaceMetadata>.self, from: input)
}

/// A candidate handles any record of a lease.
@Sendable private func checkLease(_ input: [UInt8]) throws {
    guard let lease = try? JSONReader.read(Lease.self, from: input) else { return }
    let record = LeaseRecord(lease)
    let start = ContinuousClock.now
    var machine = LeaseMachine<ContinuousClock.Instant>(identity: "me", timing: LeaseTiming(), now: start)
    _ = machine.advance(.start, at: start)
    for seconds in [0, 100, 5000] {
        let effect = machine.advance(.found(record), at: start + .seconds(seconds))
        if case .update(let claim, _) = effect {
            try require(0...Int(Int32.max) ~= claim.transitions, "\(claim.transitions) transitions")
        }
        _ = machine.advance(.waitEnded, at: start + .seconds(seconds + 1))
    }
    _ = machine.resign(at: start + .seconds(6000))
    _ = PublishedWatchScope(lease.metadata)
}

/// An error response becomes an error with a bounded message and a delay that callers can add.
@Sendable private func checkStatus(_ input: [UInt8]) throws {
    for mayQuote in [true, false] {
        let status = input.withUnsafeBytes { Status(inResponseToSecret: $0, mayQuote: mayQuote) }
        _ = status?.admissionDenial
    }
    guard let status = try? JSONReader.read(Status.self, from: input) else { return }
    let error = KubeError(httpStatus: status.code ?? 500, retryAfter: nil, status: status, activity: "fuzz")
    _ = error.isResourceVersionTooLarge
    _ = WatcherMachine.WatchFailure(error)
    if let delay = error.retryAfter { _ = ContinuousClock.now + min(max(delay, .zero), .seconds(60)) }
    try requireMessageOfStatus("\(error)")
    _ = status.admissionDenial
}

/// A selector is refused with one line, or has only characters of labels; encoding it can be undone.
@Sendable private func checkSelector(_ input: [UInt8]) throws {
    let text = input.text
    if let problem = LabelSelector.validationError(text) {
        try requireMessage(problem)
    } else {
        try require(text.utf8.allSatisfy { 0x20..<0x7F ~= $0 }, "accepted \(text.debugDescription)")
    }
    let encoded = percentEncoded(text).utf8
    let isEncoded = encoded.allSatisfy { $0.isUnreservedInURL || $0 == UInt8(ascii: "%") }
    try require(isEncoded, "encoded \(text.debugDescription)")
    let pointer = JSONPatch.pointer("metadata", text)
    try require(pointer.unicodeScalars.count { $0 == "/" } == 2, "pointer \(pointer.debugDescription)")
}
