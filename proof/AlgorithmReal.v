(* Over the reals the library's text (Algorithm.v) gives the closed forms: whatever the pivot and
   however often the pass is redone. *)
Require Import Reals Lra Lia Bool.
From bnorm Require Import Definitions Sums Column Algorithm.
Open Scope R_scope.

Definition reals : number :=
  mknumber R 0 1 (/ 2) 16 Rplus Rminus Rmult Rdiv sqrt (fun a b c => a * b + c)
    (fun a b => if Rlt_dec a b then true else false)
    (fun a b => if Req_EM_T a b then true else false) INR.

(* The library's arguments as a setting: absent weights are 1, M = n - ddof. *)
Definition omega_of (w : option (nat -> R)) (i : nat) : R :=
  match w with Some omega => omega i | None => 1 end.
Definition setting_of (c : column reals) : setting :=
  mksetting (col_rows c) (omega_of (col_weights c))
    (rsum (col_rows c) (omega_of (col_weights c)) - col_ddof c) (col_eps c).

Ltac to_reals := cbn [zero one half far add sub mul div root madd below same reals num].

Lemma total_is_rsum k (f : nat -> R) : total (T := reals) k f = rsum k f.
Proof. induction k as [|k IH]; simpl; [reflexivity|]. now rewrite IH. Qed.

Lemma total_products_is_rsum k (f g : nat -> R) :
  total_products (T := reals) k f g = ∑ i < k, f i * g i.
Proof. induction k as [|k IH]; simpl; [reflexivity|]. rewrite IH. apply Rplus_comm. Qed.

(* sum omega (z - c)^2 = sum omega (z - mu)^2 + n (mu - c)^2 *)
Lemma squares_about s z c : n s <> 0 ->
  ∑ i < (N s), omega s i * (z i - c) ^ 2
  = (∑ i < (N s), omega s i * (z i - mu s z) ^ 2) + n s * (mu s z - c) ^ 2.
Proof.
  intros Hn.
  rewrite (rsum_ext _ (fun i => omega s i * (z i - c) ^ 2) (fun i =>
    omega s i * (z i - mu s z) ^ 2 + 2 * (mu s z - c) * (omega s i * z i)
    - 2 * (mu s z - c) * mu s z * omega s i + (mu s z - c) ^ 2 * omega s i)) by (intros; ring).
  rewrite rsum_plus, rsum_minus, rsum_plus, !rsum_scal_l.
  change (rsum (N s) (omega s)) with (n s).
  replace (∑ i < (N s), omega s i * z i) with (n s * mu s z) by (unfold mu; field; exact Hn). ring.
Qed.

Lemma sum_about s z c : n s <> 0 -> ∑ i < (N s), omega s i * (z i - c) = n s * (mu s z - c).
Proof.
  intros Hn. rewrite (rsum_ext _ _ (fun i => omega s i * z i - c * omega s i)) by (intros; ring).
  rewrite rsum_minus, rsum_scal_l. change (rsum (N s) (omega s)) with (n s).
  unfold mu. field. exact Hn.
Qed.

Section Real.
Variable c : column reals.
Let s := setting_of c.
Hypothesis Hs : legal s.
Hypothesis Hweights : forall i, 0 <= omega s i.
Hypothesis HM : 0 < M s.

Lemma weighted_real i (d : R) : weighted c i d = omega s i * d :> R.
Proof. unfold weighted. simpl. unfold omega_of. destruct (col_weights c); simpl; ring. Qed.

Lemma weight_total_real : weight_total c = n s :> R.
Proof.
  unfold weight_total, n. simpl. unfold omega_of. destruct (col_weights c).
  - apply total_is_rsum.
  - rewrite rsum_const. simpl. ring.
Qed.

Lemma divisor_real : divisor c = M s :> R.
Proof. unfold divisor. rewrite weight_total_real. reflexivity. Qed.

(* The two sums of a pass about p. *)
Lemma s1_real (p : R) (x : nat -> R) :
  total (T := reals) (col_rows c) (fun i => weighted c i (sub reals (x i) p)) = n s * (mu s x - p).
Proof.
  rewrite total_is_rsum, <- sum_about by exact (proj1 Hs). apply rsum_ext. intros i _.
  apply weighted_real.
Qed.

Lemma s2_real (p : R) (x : nat -> R) :
  total_products (T := reals) (col_rows c)
    (fun i => sub reals (x i) p) (fun i => weighted c i (sub reals (x i) p))
  = M s * v s x + n s * (mu s x - p) ^ 2.
Proof.
  destruct Hs as [Hn HM0]. rewrite total_products_is_rsum.
  replace (M s * v s x) with (∑ i < (N s), omega s i * (x i - mu s x) ^ 2)
    by (unfold v; field; exact HM0).
  rewrite <- squares_about by exact Hn. apply rsum_ext. intros i _.
  rewrite weighted_real. simpl. ring.
Qed.

Lemma passes_real more (p : R) (x : nat -> R) :
  passes c more p x = (mu s x, M s * v s x) :> R * R.
Proof.
  destruct Hs as [Hn HM0].
  assert (Hm2 : 0 <= M s * v s x) by (apply Rmult_le_pos; [lra|now apply v_nonneg]).
  assert (Emoved : p + n s * (mu s x - p) / n s = mu s x) by (field; exact Hn).
  assert (Erest : M s * v s x + n s * (mu s x - p) ^ 2
    - n s * (mu s x - p) / n s * (n s * (mu s x - p)) = M s * v s x) by (field; exact Hn).
  revert p Emoved Erest. induction more as [|more IH]; intros p Emoved Erest; cbn [passes];
    cbv zeta; rewrite s1_real, s2_real, weight_total_real;
    to_reals; rewrite Erest, Emoved; (destruct (Rlt_dec (M s * v s x) 0); [exfalso; lra|]).
  - reflexivity.
  - match goal with |- (if ?b then _ else _) = _ => destruct b end; [|reflexivity].
    apply IH; field; exact Hn.
Qed.

Lemma moments_real x : moments c x = (mu s x, M s * v s x) :> R * R.
Proof. apply passes_real. Qed.

Lemma rstd_real x : rstd_of c (M s * v s x) =
  (if Req_EM_T (v s x + col_eps c) 0 then 0 else / sigma s x) :> R.
Proof.
  unfold rstd_of. rewrite divisor_real. to_reals.
  replace (M s * v s x / M s) with (v s x) by (field; lra).
  destruct (Req_EM_T (v s x + col_eps c) 0); [reflexivity|].
  unfold sigma. change (eps s) with (col_eps c). unfold Rdiv. ring.
Qed.

Theorem forward_real gamma beta x : regular s x ->
  let '(mean, rstd, y) := forward c gamma beta x in
  mean = mu s x /\ rstd = / sigma s x /\ forall i, y i = bn s gamma beta x i.
Proof.
  intros Hx. unfold forward. rewrite moments_real, rstd_real. unfold regular in Hx.
  change (eps s) with (col_eps c) in Hx.
  destruct (Req_EM_T (v s x + col_eps c) 0) as [E0|_]; [lra|].
  repeat split. intros i. unfold bn, zhat, Rdiv. to_reals. ring.
Qed.

Theorem backward_real gamma x w : regular s x ->
  let '(db, dg, dx) := backward c gamma (mu s x) (/ sigma s x) x w in
  db = dbeta s w /\ dg = dgamma s x w /\ forall i, dx i = dz s gamma x w i.
Proof.
  clear Hweights HM. intros Hx. pose proof (sigma_pos s x Hx) as Hp. unfold backward.
  assert (Eg : mul reals (total_products (col_rows c) w (fun i => sub reals (x i) (mu s x)))
      (/ sigma s x) = dgamma s x w).
  { rewrite total_products_is_rsum. to_reals. rewrite <- rsum_scal_r. apply rsum_ext. intros.
    unfold zhat, Rdiv. ring. }
  rewrite Eg, total_is_rsum, weight_total_real, divisor_real. repeat split. intros i.
  rewrite weighted_real. destruct Hs as [Hn HM0]. unfold dz, zhat.
  change (rsum (col_rows c) w) with (dbeta s w). to_reals. field_nonzero.
Qed.

(* A column without a scale: output exactly beta, gradients exactly 0. *)
Theorem no_scale gamma beta x w : v s x + col_eps c = 0 ->
  let '(mean, rstd, y) := forward c gamma beta x in
  let '(db, dg, dx) := backward c gamma mean rstd x w in
  (forall i, y i = beta) /\ db = dbeta s w /\ dg = 0 /\ forall i, dx i = 0.
Proof.
  intros Hx. unfold forward. rewrite moments_real, rstd_real.
  destruct (Req_EM_T (v s x + col_eps c) 0) as [_|E0]; [|lra].
  unfold backward. rewrite total_is_rsum. to_reals. repeat split; intros; ring.
Qed.
End Real.

(* ------------------------------------------------------------- merging two batches *)
Section Merge.
Variables (Na Nb : nat) (omega z : nat -> R).
Let later (f : nat -> R) (i : nat) : R := f (Na + i)%nat.
Let of_rows (k : nat) (omega : nat -> R) : setting := mksetting k omega 1 0.
(* n, mean and M2 of some rows; the divisor is 1, so that v is M2 *)
Definition triple (k : nat) (omega z : nat -> R) : R * R * R :=
  let s := mksetting k omega 1 0 in (n s, mu s z, v s z).

Lemma rsum_split f : rsum (Na + Nb) f = rsum Na f + ∑ i < Nb, later f i.
Proof.
  unfold later. induction Nb as [|k IH]; [rewrite Nat.add_0_r; simpl; ring|].
  rewrite Nat.add_succ_r. simpl. rewrite IH. ring.
Qed.

Theorem merge_real : let a := of_rows Na omega in let b := of_rows Nb (later omega) in
  n a <> 0 -> n b <> 0 -> n a + n b <> 0 ->
  merge (T := reals) (triple Na omega z) (triple Nb (later omega) (later z))
  = triple (Na + Nb) omega z.
Proof.
  intros a b Ha Hb Hab. set (u := of_rows (Na + Nb) omega).
  assert (En : n u = n a + n b) by (unfold n; simpl; apply rsum_split).
  assert (Emu : mu u z = (n a * mu a z + n b * mu b (later z)) / (n a + n b)).
  { unfold mu at 1. rewrite En. f_equal. simpl N. rewrite rsum_split. unfold mu. simpl.
    unfold later. field. now split. }
  assert (Ev : v u z = v a z + v b (later z)
      + n a * (mu a z - mu u z) ^ 2 + n b * (mu b (later z) - mu u z) ^ 2).
  { assert (V : forall k o f, v (of_rows k o) f = ∑ i < k, o i * (f i - mu (of_rows k o) f) ^ 2)
      by (intros; unfold v; simpl; field).
    unfold u at 1. rewrite V, rsum_split.
    assert (E1 : ∑ i < Na, omega i * (z i - mu u z) ^ 2 = v a z + n a * (mu a z - mu u z) ^ 2)
      by (unfold a at 1; rewrite V; exact (squares_about a z (mu u z) Ha)).
    assert (E2 : ∑ i < Nb, later (fun i => omega i * (z i - mu u z) ^ 2) i
        = v b (later z) + n b * (mu b (later z) - mu u z) ^ 2)
      by (unfold b at 1; rewrite V; exact (squares_about b (later z) (mu u z) Hb)).
    fold u. rewrite E1, E2. ring. }
  unfold merge, triple. fold (of_rows Na omega) (of_rows Nb (later omega)).
  change (mksetting (Na + Nb) omega 1 0) with u. rewrite En, Ev, Emu.
  change (of_rows Na omega) with a. change (of_rows Nb (later omega)) with b. simpl.
  f_equal; [f_equal|]; field; assumption.
Qed.
End Merge.
