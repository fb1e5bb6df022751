namespace Jobs.Transactions;

/// <summary>
/// The server has no room for one more prepared transaction. Transactions that each have one branch prepared and wait for room for another keep it from one another for ever, so a branch must not wait
/// longer for it than a short peak lasts.
/// </summary>
internal sealed class NoRoomException(string message, Exception inner) : JobsException(message, inner);
