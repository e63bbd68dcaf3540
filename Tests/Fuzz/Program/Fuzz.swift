import Foundation

/// The program that hack/fuzz runs.
///
///     Fuzz list                        the names of the targets
///     Fuzz seeds TARGET FOLDER         writes the seeds of a target
///     Fuzz run TARGET [OPTION]...      libFuzzer, with its options and folders of inputs
///     Fuzz growth [TARGET]...          measures inputs that double
@main
enum Fuzz {
    static func main() async {
        let arguments = CommandLine.arguments.dropFirst()
        let target = arguments.dropFirst().first.flatMap { name in FuzzTarget.all.first { $0.name == name } }
        switch (arguments.first, target) {
        case ("list", nil): for target in FuzzTarget.all { print(target.name) }
        case ("seeds", let target?) where arguments.count == 3:
            writeSeeds(of: target, to: arguments.last ?? "")
        case ("run", let target?): runFuzzer(target, Array(arguments.dropFirst(2)))
        case ("growth", _): await measureGrowth(Array(arguments.dropFirst()))
        default:
            fail(
                "usage: Fuzz list | seeds TARGET FOLDER | run TARGET [OPTION]... | growth [TARGET]...",
                code: 64)
        }
    }

    private static func writeSeeds(of target: FuzzTarget, to folder: String) {
        for (index, seed) in target.seeds().enumerated() {
            let path = URL(filePath: folder).appending(path: "seed-\(index)")
            do {
                try Data(seed).write(to: path)
            } catch {
                fail("cannot write \(path.path): \(error)", code: 1)
            }
        }
    }

    private static func measureGrowth(_ names: [String]) async {
        var isSlow = false
        var isViolated = false
        for growth in GrowthCase.all where names.isEmpty || names.contains(growth.target) {
            do {
                let measured = try await growth.measure()
                print("\(growth.target), \(growth.name): \(measured.description)")
                if !measured.isAtMostLinear || !measured.isOfModerateMemory { isSlow = true }
            } catch {
                print("\(growth.target), \(growth.name): \(error)")
                isViolated = true
            }
            // Also where the output goes to a file: a run takes minutes.
            fflush(nil)
        }
        if isViolated { fail("error: a property does not hold for a large input", code: 1) }
        if isSlow { fail("error: doubled inputs cost more than double", code: 1) }
    }

    private static func fail(_ message: String, code: Int32) -> Never {
        FileHandle.standardError.write(Data((message + "\n").utf8))
        exit(code)
    }
}
