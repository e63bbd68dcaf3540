import CLinux
import Glibc

/// Runs one closure on a detached thread that receives no signals.
enum DetachedThread {
    private final class Job: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// - Parameter name: the name that the kernel shows for the thread, of at most 15 bytes.
    static func start(name: String, _ body: @escaping @Sendable () -> Void) throws(HTTPError) {
        let job = Unmanaged.passRetained(Job(name: name, body: body))
        let result = sb_start_thread({ DetachedThread.run($0) }, job.toOpaque())
        guard result == 0 else {
            job.release()
            throw HTTPError(
                .clientFailed, activity: "starting a thread", detail: String(cString: strerror(result)))
        }
    }

    private static func run(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let context else { return nil }
        let job = Unmanaged<Job>.fromOpaque(context).takeRetainedValue()
        sb_name_thread(job.name)
        job.body()
        return nil
    }
}
