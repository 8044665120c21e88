/// What lies under a key, and the era that held after the connection was taken and before the store was asked. (An
/// era from before could be that of an earlier life of the store, whose snapshot the connection may now show.)
struct Look {
    var copy: Copy?
    var era: UInt64
}
