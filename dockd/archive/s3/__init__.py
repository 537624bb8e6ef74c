"""The archive behind S3: any store that speaks it, with no service of dockd's own in between.

Where things lie in the bucket, all below the settings' prefix. A camera's serial is percent-encoded where it has other
characters than letters, digits, `-`, `.`, `_` and `~`:

    recordings/<camera>/<sha256>/<recording>.<nonce>        a recording's bytes; its name says what they must hash to
    manifests/<camera>/<sha256>/<recording>.<nonce>.json    what the dock says of it: a DSSE envelope signed with the dock's key
    canary/<dock>                                           an upload that is never completed: checksums are tried out on it

`<nonce>` is random, so that no key is ever written twice: what is under a key has one version, and a second is somebody else's.
An upload that was begun for the same camera and the same bytes is found again by the prefix of its key, whoever began it.

The dock deletes nothing, and its credentials should not let it. In AWS's policy language, for a bucket `evidence`:

    {"Version": "2012-10-17", "Statement": [
      {"Effect": "Allow", "Resource": "arn:aws:s3:::evidence/*", "Action": [
        "s3:PutObject", "s3:PutObjectRetention", "s3:PutObjectLegalHold", "s3:GetObject", "s3:GetObjectVersion",
        "s3:GetObjectRetention", "s3:GetObjectLegalHold", "s3:ListMultipartUploadParts"]},
      {"Effect": "Allow", "Resource": "arn:aws:s3:::evidence", "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads"]}]}

`s3:ListBucket` is there so that what does not exist is answered 404 and not 403, and so that a dock whose log was rolled back
sees the checkpoint of the longer one. What is missing on purpose: every `s3:Delete*`, `s3:BypassGovernanceRetention`,
`s3:PutBucket*`, `s3:AbortMultipartUpload`. Uploads that nobody finishes are removed by a lifecycle rule of the bucket
(AbortIncompleteMultipartUpload, with more days than a dock may be without its link).

The bucket needs versioning and Object Lock, which S3 allows to be switched on together when the bucket is made. Without them,
and in stores that do not check checksums, everything is proved by fetching it back.
"""
