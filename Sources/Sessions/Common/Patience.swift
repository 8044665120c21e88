import Glibc

/// How long a statement waits for another process's lock.
enum Patience {
    /// On a request's way: about 250 ms, in short steps since locks here are held for a millisecond.
    static let brief: @Sendable (Int) -> Bool = { attempt in
        guard attempt < 250 else { return false }
        usleep(attempt < 10 ? 300 : 1000)
        return true
    }

    /// Off the requests' way: about 5 s.
    static let long: @Sendable (Int) -> Bool = { attempt in
        guard attempt < 2500 else { return false }
        usleep(2000)
        return true
    }
}
