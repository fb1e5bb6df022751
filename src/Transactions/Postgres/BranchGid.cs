using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Jobs.Transactions;

/// <summary>
/// The name of one branch as a prepared transaction: <c>jobs:INSTALLATION:TRANSACTION:BRANCH</c>. Postgres keeps names unique over all databases of a server and allows 199 bytes. It cannot be a
/// parameter of <c>prepare transaction</c>, so nothing may stand in it that ends a literal: it is made of checked parts only.
/// </summary>
internal readonly record struct BranchGid
{
    /// <summary>Of the engine's schema names.</summary>
    private const int LongestInstallation = 63;

    private const string Mark = "jobs:";

    /// <exception cref="ArgumentException">A part breaks its rule; the message says which.</exception>
    public BranchGid(string installation, Guid transaction, int branch)
    {
        if (InstallationFault(installation) is { } fault)
        {
            throw new ArgumentException(fault, nameof(installation));
        }

        if (transaction == Guid.Empty)
        {
            throw new ArgumentException("The transaction id is empty; give the id that BeginAsync returned.", nameof(transaction));
        }

        if (branch < 1)
        {
            throw new ArgumentException($"The branch number {branch} is not allowed; branches count from 1.", nameof(branch));
        }

        (Installation, Transaction, Branch) = (installation, transaction, branch);
    }

    public string Installation { get; }

    public Guid Transaction { get; }

    public int Branch { get; }

    /// <summary>The gid as Postgres knows it.</summary>
    public string Value => $"{Prefix(Installation)}{Transaction:D}:{Branch}";

    /// <summary>As a literal of SQL.</summary>
    public string Literal => $"'{Value}'";

    /// <summary>What the gids of one installation begin with, and no other's.</summary>
    public static string Prefix(string installation) => $"{Mark}{installation}:";

    public static string? InstallationFault(string? name) =>
        string.IsNullOrEmpty(name) || name.Length > LongestInstallation || name.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not '_')
            ? $"The installation's name \"{name}\" cannot be part of the name of a prepared transaction; use 1 to {LongestInstallation} letters, digits and '_'."
            : null;

    /// <summary>Reads a gid; false for one that is not ours, also where only its writing differs: it would be another one for Postgres.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out BranchGid? gid)
    {
        gid = null;
        var parts = text.Split(':');
        if (parts.Length != 4 || InstallationFault(parts[1]) is not null || !Guid.TryParseExact(parts[2], "D", out var transaction) || transaction == Guid.Empty
            || !int.TryParse(parts[3], NumberStyles.None, CultureInfo.InvariantCulture, out var branch) || branch < 1)
        {
            return false;
        }

        var read = new BranchGid(parts[1], transaction, branch);
        gid = read.Value == text ? read : null;
        return gid is not null;
    }

    public override string ToString() => Value;
}
