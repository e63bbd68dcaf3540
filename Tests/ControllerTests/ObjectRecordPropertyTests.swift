import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

/// The records of an object compared with simple models, through random histories.
@Suite struct ObjectRecordPropertyTests {
    private static func object(_ uid: Int, generation: Int64 = 1) -> ObjectMeta {
        ObjectMeta(name: "db", namespace: "payments", uid: "u\(uid)", generation: generation)
    }

    private static func status(_ number: Int) -> WrappedSecretStatus {
        var status = WrappedSecretStatus()
        status.keyID = "key-\(number)"
        // An older CRD drops this field from each write.
        status.lastVerifiedTime = number.isMultiple(of: 2) ? "T" : nil
        return status
    }

    /// The record is packed and unpacked after each step, as between two reconciles.
    @Test func aSyncRecordKeepsWhatWasVerifiedLast() async {
        let violation = await PropertyRun.violation(seeds: 60) { random in
            var record = SyncRecord()
            var envelope: (uid: Int, digest: UInt8, key: UnwrappingKey)?
            var expected: (uid: Int, status: Int)?
            var data: VerifiedData?
            for step in 0..<40 {
                let (uid, number) = (random.number(0..<3), random.number(0..<4))
                switch random.number(0..<6) {
                case 0:
                    let key = UnwrappingKey(id: number == 0 ? nil : "vault:\(number)", version: "\(step)")
                    record.envelopeVerified(Self.object(uid), digest: [UInt8(number)], key: key)
                    envelope = (uid, UInt8(number), key)
                case 1:
                    let written = VerifiedData(
                        uid: "s\(uid)", resourceVersion: "\(step)", sourceDigest: [UInt8(number)],
                        dataDigest: [UInt8(step)], isWholeSecret: random.chance(0.5))
                    data = random.chance(0.1) ? nil : written
                    record.dataWritten(data)
                case 2:
                    record.dataUnchanged(
                        uid: "s\(uid)", resourceVersion: "later-\(step)", isRecorded: random.chance(0.5))
                    guard let known = data, known.uid == "s\(uid)" else { break }
                    data = VerifiedData(
                        uid: known.uid, resourceVersion: "later-\(step)", sourceDigest: known.sourceDigest,
                        dataDigest: known.dataDigest, isWholeSecret: known.isWholeSecret)
                case 3:
                    record.expectStatus(Self.status(number), of: Self.object(uid))
                    expected = (uid, number)
                case 4:
                    record.forgetStatus()
                    expected = nil
                default: break
                }
                record = SyncRecord(packed: record.packed())
                if record.data != data { return "step \(step): other data" }
                for uid in 0..<3 {
                    for number in 0..<4 {
                        let key = record.unwrappingKey(of: Self.object(uid), digest: [UInt8(number)])
                        let isKnown = envelope.map { $0.uid == uid && $0.digest == UInt8(number) } ?? false
                        if key != (isKnown ? envelope?.key : nil) { return "step \(step): another key" }
                        let isModified = record.isExternallyModified(
                            Self.status(number), of: Self.object(uid))
                        let differs = expected.map { $0.uid == uid && $0.status != number } ?? false
                        if isModified != differs { return "step \(step): status \(number) of \(uid)" }
                    }
                }
                let isEmpty = envelope == nil && expected == nil && data == nil
                if record.isEmpty != isEmpty { return "step \(step): emptiness" }
            }
            return nil
        }
        #expect(violation == nil)
    }

    @Test func aFailureRecordKeepsATerminalFailureForTheStateThatFailed() async {
        let start = ContinuousClock.now
        let violation = await PropertyRun.violation(seeds: 60) { random in
            var record = FailureRecord()
            var now = start
            var failure: (uid: Int, generation: Int64, until: ContinuousClock.Instant?)?
            var failingSince: ContinuousClock.Instant?
            for step in 0..<40 {
                now += .seconds(random.number(0..<12))
                let (uid, generation) = (random.number(0..<2), Int64(random.number(1..<3)))
                let object = Self.object(uid, generation: generation)
                switch random.number(0..<6) {
                case 0:
                    let delay = random.chance(0.5) ? Duration.seconds(random.number(0..<30)) : nil
                    record.failedTerminally(object, status: Self.status(1), retryAfter: delay, now: now)
                    failure = (uid, generation, delay.map { now + $0 })
                case 1, 2:
                    let isSame = failure.map { $0.uid == uid && $0.generation == generation } ?? false
                    let isKept = isSame && failure?.until.map { now < $0 } != false
                    let status = record.terminalStatus(of: object, now: now)
                    if (status != nil) != isKept { return "step \(step): the failure, kept: \(isKept)" }
                    if !isKept { failure = nil }
                case 3:
                    record.forgetTerminalFailure()
                    failure = nil
                case 4:
                    failingSince = failingSince ?? now
                    let isLasting = failingSince.map { now - $0 >= FailureRecord.gracePeriod } ?? false
                    if record.apiServerFailed(now: now) != isLasting { return "step \(step): grace period" }
                default:
                    record.apiServerRecovered()
                    failingSince = nil
                }
                let delay = failure?.until.map { max($0 - now, .zero) }
                if record.delayBeforeRetry(now: now) != delay { return "step \(step): another delay" }
                let isEmpty = failure == nil && failingSince == nil
                if record.isEmpty(at: now) != isEmpty { return "step \(step): emptiness" }
            }
            return nil
        }
        #expect(violation == nil)
    }

    /// Another writer changes the Secret at any times. Repairs have a limit, and each change is repaired in the end.
    @Test func aDriftThrottleLimitsRepairsAndNeverStopsThem() async {
        let start = ContinuousClock.now
        let violation = await PropertyRun.violation(seeds: 60) { random in
            var throttle = DriftThrottle()
            var now = start
            var repairs: [ContinuousClock.Instant] = []
            for step in 0..<150 {
                let isBusy = step / 30 % 2 == 0
                now += random.milliseconds(isBusy ? 0..<2000 : 0..<100_000)
                if let delay = throttle.delayBeforeRepair(now: now) {
                    guard delay > .zero, delay <= DriftThrottle.maximumDelay else { return "waits \(delay)" }
                    guard random.chance(0.3) else { continue }
                    now += delay
                    if throttle.delayBeforeRepair(now: now) != nil { return "waits longer than \(delay)" }
                }
                throttle.recordRepair(now: now)
                repairs.append(now)
                // Another one follows the first delay, and the next delay is as long as the window.
                let limit = DriftThrottle.maximumRepairs + 1
                guard repairs.count > limit else { continue }
                let duration = now - repairs[repairs.count - limit - 1]
                if duration <= DriftThrottle.window { return "\(limit + 1) repairs in \(duration)" }
            }
            return nil
        }
        #expect(violation == nil)
    }
}
