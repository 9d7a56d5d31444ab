(* The sum of squares behind a projection Q: since Q E = E, its derivative in the fitted values is
   -2 omega E / n with no further projection. The within projection of one factor is such a Q. *)
Require Import Reals Lra Lia List.
From bnorm Require Import Definitions Sums Frechet.
Import ListNotations.
Open Scope R_scope.

Section Squares.
Variable m : model.
Hypothesis HQ : projection m.
Context {I : Type} (l : list I) (fit : (I -> R) -> nat -> R) (x : I -> R).
Variable Dfit : nat -> (I -> R) -> R.
Hypothesis Hfit : forall i, (i < N (of m))%nat -> frechet l (fun q => fit q i) x (Dfit i).

Let res (q : I -> R) (i : nat) : R := ∑ k < (N (of m)), Q m i k * (y m k - fit q k).

(* Q E = E, in the form backward meets it: (omega E)'Q = (omega E)'. *)
Lemma project_back k : (k < N (of m))%nat ->
  ∑ i < (N (of m)), omega (of m) i * res x i * Q m i k = omega (of m) k * res x k.
Proof.
  intros Hk. destruct HQ as [Hself Hidem].
  rewrite (rsum_ext _ _ (fun i => omega (of m) k * (Q m k i * res x i))).
  2: { intros i Hi. rewrite (Rmult_comm (omega _ i)), Rmult_assoc, Hself by assumption. ring. }
  rewrite rsum_scal_l. f_equal. unfold res.
  rewrite (rsum_ext _ _ (fun i => ∑ j < (N (of m)), Q m k i * Q m i j * (y m j - fit x j)))
    by (intros; rewrite <- rsum_scal_l; apply rsum_ext; intros; ring).
  rewrite rsum_swap. apply rsum_ext. intros j Hj. now rewrite rsum_scal_r, Hidem.
Qed.

Theorem frechet_squares :
  frechet l (fun q => (∑ i < (N (of m)), omega (of m) i * res q i ^ 2) / n (of m)) x
    (fun h => ∑ k < (N (of m)), (-2 * omega (of m) k * res x k / n (of m)) * Dfit k h).
Proof.
  apply (frechet_ext l (fun q => / n (of m) * ∑ i < (N (of m)), omega (of m) i * res q i ^ 2));
    [intros; unfold Rdiv; ring|].
  eapply frechet_eq.
  - apply frechet_scal, frechet_rsum. intros i _. apply frechet_scal, frechet_square.
    apply frechet_rsum. intros k Hk. apply frechet_scal.
    apply frechet_minus; [apply frechet_const|exact (Hfit k Hk)].
  - intros h. cbv beta.
    rewrite (rsum_ext _ _ (fun i => ∑ k < (N (of m)),
        -2 * (omega (of m) i * res x i * Q m i k) * Dfit k h)).
    2: { intros i _. change (∑ k < (N (of m)), Q m i k * (y m k - fit x k)) with (res x i).
         rewrite <- !rsum_scal_l. apply rsum_ext. intros; ring. }
    rewrite rsum_swap, <- rsum_scal_l. apply rsum_ext. intros k Hk.
    rewrite rsum_scal_r, rsum_scal_l, project_back by exact Hk. unfold Rdiv. ring.
Qed.
End Squares.

(* R as a function of V alone: dR/dV = -2 omega E G2'/n. *)
Theorem frechet_V m G2 theta V0 : projection m ->
  frechet (cells (N (of m)) (p2 m))
    (fun V => (∑ i < (N (of m)), omega (of m) i * E_of_V m G2 theta V i ^ 2) / n (of m)) V0
    (fun h => ∑ i < (N (of m)), ∑ j < (p2 m),
      (-2 * omega (of m) i * E_of_V m G2 theta V0 i / n (of m) * G2 j) * h (i, j)).
Proof.
  intros HQ. eapply frechet_eq.
  - apply (frechet_squares m HQ _ (fit_of_V m G2 theta) V0
             (fun i h => ∑ j < (p2 m), G2 j * h (i, j))).
    intros i Hi. unfold fit_of_V. eapply frechet_eq.
    + apply frechet_plus; [|apply frechet_const].
      apply (frechet_ext _ (fun V => ∑ j < (p2 m), G2 j * V (i, j)));
        [intros; apply rsum_ext; intros; ring|].
      apply frechet_rsum. intros j Hj. apply frechet_scal, (frechet_coord (i, j)).
      apply in_prod; apply in_seq; lia.
    + intros h. simpl. ring.
  - intros h. apply rsum_ext. intros i _. rewrite <- rsum_scal_l. apply rsum_ext. intros.
    unfold E_of_V. ring.
Qed.

(* ------------------------------------------------------- Q = I, and unit means *)
Lemma delta_sym i k : delta i k = delta k i.
Proof. unfold delta. now rewrite Nat.eqb_sym. Qed.

Lemma identity_projects m : Q m = delta -> projection m.
Proof.
  intros E. split; rewrite E.
  - intros i k _ _. unfold delta. rewrite (Nat.eqb_sym i).
    destruct (Nat.eqb_spec k i) as [->|]; ring.
  - intros i l Hi _.
    exact (rsum_delta _ i (fun k => delta k l) Hi).
Qed.

Section Within.
Variables (s : setting) (unit : nat -> nat).
Hypothesis Hunit : forall i, (i < N s)%nat -> unit_total s unit i <> 0.

Lemma same_unit_total i k :
  same_unit unit i k * unit_total s unit k = same_unit unit i k * unit_total s unit i.
Proof.
  unfold unit_total, same_unit. destruct (Nat.eqb_spec (unit i) (unit k)) as [E|]; [|ring].
  now rewrite E.
Qed.

Lemma within_self_adjoint i k : (i < N s)%nat -> (k < N s)%nat ->
  omega s i * within s unit i k = omega s k * within s unit k i.
Proof.
  intros Hi Hk. pose proof (Hunit i Hi). pose proof (Hunit k Hk).
  pose proof (same_unit_total i k) as E. unfold within, delta, same_unit in *.
  rewrite (Nat.eqb_sym i k), (Nat.eqb_sym (unit k)).
  assert (omega s i * (if Nat.eqb k i then 1 else 0) = omega s k * (if Nat.eqb k i then 1 else 0))
    by (destruct (Nat.eqb_spec k i) as [->|]; ring).
  rewrite !Rmult_minus_distr_l, H1. f_equal.
  destruct (Nat.eqb (unit i) (unit k)); [|unfold Rdiv; ring].
  replace (unit_total s unit k) with (unit_total s unit i) by lra. field. assumption.
Qed.

Lemma same_unit_product i k l : same_unit unit i k * same_unit unit k l
  = same_unit unit i l * same_unit unit i k.
Proof.
  unfold same_unit. destruct (Nat.eqb_spec (unit i) (unit k)) as [->|]; ring.
Qed.

Lemma within_idempotent i l : (i < N s)%nat -> (l < N s)%nat ->
  ∑ k < (N s), within s unit i k * within s unit k l = within s unit i l.
Proof.
  intros Hi Hl. pose proof (Hunit i Hi) as Ti. set (c k := omega s k / unit_total s unit i).
  rewrite (rsum_ext _ _ (fun k => delta i k * within s unit k l
      - (delta l k * (same_unit unit i k * c k)
         - (same_unit unit i l * c l / unit_total s unit i) * (same_unit unit i k * omega s k)))).
  - rewrite !rsum_minus, rsum_delta, rsum_delta, rsum_scal_l by assumption.
    fold (unit_total s unit i). unfold c. field. exact Ti.
  - intros k Hk. pose proof (Hunit k Hk) as Tk. pose proof (same_unit_total i k) as E.
    pose proof (same_unit_product i k l) as E'.
    unfold within. rewrite (delta_sym i k), (delta_sym l k).
    destruct (Req_dec (same_unit unit i k) 0) as [Z|Z].
    + rewrite Z. unfold Rdiv. ring.
    + assert (T : unit_total s unit k = unit_total s unit i)
        by (apply (Rmult_eq_reg_l (same_unit unit i k)); assumption).
      replace (same_unit unit i l * c l / unit_total s unit i * (same_unit unit i k * omega s k))
        with ((same_unit unit i k * same_unit unit k l) * (c l / unit_total s unit i) * omega s k)
        by (rewrite E'; unfold Rdiv; ring).
      unfold c. rewrite T. unfold Rdiv. ring.
Qed.

Theorem within_projects m : of m = s -> Q m = within s unit -> projection m.
Proof.
  intros Es E. split; rewrite E, Es.
  - intros i k Hi Hk. now apply within_self_adjoint.
  - intros i l Hi Hl. now apply within_idempotent.
Qed.
End Within.
