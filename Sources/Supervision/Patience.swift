/// How long a worker may take, before it is killed, to do what it was told.
struct Patience: Sendable {
    /// To announce that it serves. A large database is checked in that time.
    var start: Duration = .seconds(120)
    /// To answer what its kept connections and parked callers still want: the event loop ends its drain after 75 s.
    var drain: Duration = .seconds(90)
    /// To stop. `serve` itself has promised to end within 10 s.
    var stop: Duration = .milliseconds(9500)
    /// For the kernel to end a killed worker; after that `serve` ends without it.
    var kill: Duration = .milliseconds(400)
}
