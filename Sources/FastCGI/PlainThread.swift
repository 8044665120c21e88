import CSystem
import Glibc

/// A pthread with every signal blocked, outside Swift's concurrency pool: it may block.
struct PlainThread {
    private final class Start {
        let name: StaticString
        let body: @Sendable () -> Void

        init(_ name: StaticString, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }

        func run() {
            csys_block_signals()
            name.withUTF8Buffer { $0.withMemoryRebound(to: CChar.self) { csys_name_thread($0.baseAddress) } }
            body()
        }
    }

    private let thread: pthread_t

    init(named name: StaticString, _ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let start = Unmanaged.passRetained(Start(name, body))
        let result = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, start.toOpaque())
        precondition(result == 0, "pthread_create: \(String(cString: strerror(result)))")
        self.thread = thread
    }

    func join() { pthread_join(thread, nil) }
}
