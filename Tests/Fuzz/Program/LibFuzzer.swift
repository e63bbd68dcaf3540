import Foundation

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// The target of this process. libFuzzer's callback has no context.
nonisolated(unsafe) private var chosenTarget: FuzzTarget?

/// Gives the process to libFuzzer and ends with its exit code.
func runFuzzer(_ target: FuzzTarget, _ options: [String]) -> Never {
    chosenTarget = target
    let options = [CommandLine.arguments.first ?? "Fuzz", "-max_len=\(target.maximumLength)"] + options
    let arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: options.count + 1)
    for (index, option) in options.enumerated() { arguments[index] = strdup(option) }
    arguments[options.count] = nil
    var (count, start) = (CInt(options.count), arguments)
    exit(runDriver(&count, &start, checkOneInput))
}

/// The name is the one that the main function of libFuzzer's library refers to, although the one of this program takes its place.
@_cdecl("LLVMFuzzerTestOneInput")
func checkOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let target = chosenTarget else { return -1 }
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    switch target.check {
    case .immediate(let check):
        do {
            try check(input)
        } catch {
            report(error)
        }
    case .asynchronous(let check):
        let done = DispatchSemaphore(value: 0)
        Task.detached {
            do {
                try await check(input)
            } catch {
                report(error)
            }
            done.signal()
        }
        done.wait()
    }
    return 0
}

/// Ends the process, so that libFuzzer keeps the input.
private func report(_ error: any Error) -> Never {
    FileHandle.standardError.write(Data("\nPROPERTY: \(error)\n".utf8))
    abort()
}
