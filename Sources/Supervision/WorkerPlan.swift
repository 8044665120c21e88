/// What `serve` starts, and how many of it.
public struct WorkerPlan: Sendable {
    /// Absolute path of the program. It is executed by this path each time, so a replaced file is what the next worker runs.
    public var executable: String
    /// The arguments after the program's own name.
    public var arguments: [String]
    /// The workers' environment; nil: this process's own.
    public var environment: [String: String]?
    /// Worker processes, at least one.
    public var count: Int
    /// The listening socket. It becomes descriptor 0 (FCGI_LISTENSOCK_FILENO) in each worker.
    public var listeningDescriptor: CInt

    public init(
        executable: String, arguments: [String], environment: [String: String]? = nil, count: Int,
        listeningDescriptor: CInt
    ) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.count = max(1, count)
        self.listeningDescriptor = listeningDescriptor
    }
}
