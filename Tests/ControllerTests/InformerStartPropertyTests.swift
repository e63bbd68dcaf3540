import KubeClient
import TestSupport
import Testing

@testable import Controller

@Suite struct InformerStartPropertyTests {
    /// Lists and events come in any order. What goes first are the objects that are unsynced at the time of the start.
    @Test func startsOnceWithTheObjectsThatAreUnsyncedThen() async {
        let violation = await PropertyRun.violation(seeds: 100) { random in
            var start = InformerStart()
            // The objects in the cache, and true for those that are synced.
            var objects: [ObjectRef: Bool] = [:]
            var (hasObjects, hasSecrets, startCount) = (false, false, 0)
            for step in 0..<30 {
                let ref = ObjectRef(namespace: "n", name: "\(random.number(0..<5))")
                let phase: InformerStart.Phase
                switch random.number(0..<8) {
                case 0:
                    let known = objects.keys.sorted { $0.name < $1.name }
                    for object in known where random.chance(0.2) { objects[object] = nil }
                    objects[ref] = random.chance(0.5)
                    hasObjects = true
                    phase = start.objectsListed(unsynced: unsynced(objects))
                case 1:
                    hasSecrets = true
                    phase = start.secretsListed()
                default:
                    objects[ref] = random.chance(0.3) ? nil : random.chance(0.5)
                    start.changed(ref, isUnsynced: objects[ref] == false)
                    continue
                }
                let isComplete = hasObjects && hasSecrets
                let expected: InformerStart.Phase =
                    !isComplete ? .waiting : startCount == 0 ? .starting : .started
                if phase != expected { return "step \(step): \(phase) instead of \(expected)" }
                if start.hasStarted != isComplete { return "step \(step): started \(start.hasStarted)" }
                guard phase == .starting else { continue }
                startCount += 1
                let first = start.takeUnsynced()
                if first != unsynced(objects) { return "step \(step): \(first) go first" }
                if !start.takeUnsynced().isEmpty { return "step \(step): they go first twice" }
            }
            return nil
        }
        #expect(violation == nil)
    }

    private func unsynced(_ objects: [ObjectRef: Bool]) -> Set<ObjectRef> {
        Set(objects.filter { !$0.value }.keys)
    }
}
